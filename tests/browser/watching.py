"""Watches a browser window for anything that a stranger's value made it do."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Dialog, Error, Page, Response, Route

_SENTINEL = """
let ran;
Object.defineProperty(window, "__xss", {
  get: () => ran,
  set: value => { ran = value; console.error("a script of a stranger ran"); },
});
document.addEventListener("securitypolicyviolation", event => {
  (window.__violations ??= []).push(
    `${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_RAN = "() => window.__xss !== undefined || document.title === 'ran'"
_FAULTS = r"""() => {
  const found = (window.__violations ?? []).map(each => `policy: ${each}`);
  const addresses = new Set(["href", "src", "action", "formaction", "data", "xlink:href", "ping",
    "background", "poster", "manifest", "codebase"]);
  for (const element of document.querySelectorAll("*")) {
    const tag = element.localName;
    if (["object", "embed", "base", "frame", "applet", "portal"].includes(tag)) found.push(tag);
    if (tag === "meta" && element.httpEquiv) found.push(element.outerHTML);
    if (tag === "style") found.push(`style ${element.textContent.slice(0, 200)}`);
    if (tag === "script" && !(element.getAttribute("src") ?? "").startsWith("/static/"))
      found.push(`script ${element.outerHTML.slice(0, 200)}`);
    for (const {name, value} of element.attributes) {
      if (/^on/i.test(name) || name === "srcdoc") found.push(`${tag} ${name}=${value}`);
      if (!addresses.has(name)) continue;
      let address = null;
      try { address = new URL(value, document.baseURI); } catch { continue; }
      const apart = address.origin !== location.origin;
      const harmless = tag === "a" && ["http:", "https:", "mailto:"].includes(address.protocol)
        && element.rel.includes("noopener");
      if (apart && !harmless) found.push(`${tag} ${name}=${value}`);
    }
  }
  return found;
}"""


class Watch:
    """One window on a site, and what happened in it that should not have.

    `offences` holds executed scripts, dialogs, windows, requests to other hosts, broken policies,
    complaints of the console, markup that could run something, failures (5xx), and departures.
    """

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.offences: list[str] = []
        self._address = address
        self._path = ""
        self._strict = True
        context.add_init_script(_SENTINEL)
        context.route(
            lambda url: not url.startswith((address, "data:")), lambda route: route.abort()
        )
        self.page: Page = context.new_page()
        context.on("page", lambda page: self._note(f"window {page.url}"))
        context.on("dialog", self._dismiss)
        context.on("response", self._answered)
        context.on("weberror", lambda error: self._note(f"error {error.error}"))
        context.on("console", self._said)

    def _note(self, what: str) -> None:
        self.offences.append(f"{self._path}: {what[:400]}")

    def _dismiss(self, dialog: Dialog) -> None:
        self._note(f"dialog {dialog.message}")
        dialog.dismiss()

    def _refuse(self, route: Route) -> None:
        # What a policy keeps back does not come this far.
        self._note(f"request {route.request.url}")
        route.abort()

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self._note(f"status {response.status} of {response.url}")

    def _said(self, message: Any) -> None:
        # A status, which is looked at; and what a stranger's file in a frame was kept from.
        frame = f"{self._address}/artefacts/"
        refused = message.text.startswith("Failed to load resource") or any(
            frame in text for text in (message.text, message.location.get("url", ""))
        )
        ran = message.text == "a script of a stranger ran"
        if ran or (message.type == "error" and self._strict and not refused):
            self._note(f"console {message.text}")

    def visit(self, path: str, *, strict: bool = True, status: int = 0) -> None:
        """Opens a page and looks at what it became.

        Args:
            path: On the site.
            strict: Whether the page is ours; else it is a stranger's file opened as a document,
                where markup is what it is, and only what it does counts.
            status: What the site has to answer; 0 for anything but a failure.
        """
        self._path, self._strict = path, strict
        try:
            answer = self.page.goto(path)
        except Error as error:
            if "Download is starting" not in str(error):
                raise
            return
        if status and (answer is None or answer.status != status):
            self._note(f"not {status}: {answer and answer.status}")
        self.look(strict=strict)

    def look(self, *, strict: bool = True) -> None:
        """Looks at what is shown now."""
        if urlsplit(self.page.url).netloc != urlsplit(self._address).netloc:
            self._note(f"is at {self.page.url}")
        if strict:  # what runs in a frame or a document of strangers says so on the console
            if self.page.evaluate(_RAN):
                self._note("ran")
            for fault in self.page.evaluate(_FAULTS):
                self._note(fault)
