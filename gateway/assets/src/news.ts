// Tells quietly that the repository changed. Browsers have six connections for a site, so only a
// page that is seen holds one.

import { element } from "./live";

const RETRY_MILLISECONDS = 10_000;

export function watchRevision(shown: string): void {
  let source: EventSource | null = null;
  let timer = 0;

  const close = (): void => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
  const again = (): void => {
    close();
    timer = setTimeout(open, RETRY_MILLISECONDS);
  };
  const open = (): void => {
    close();
    if (document.hidden) return;
    source = new EventSource("/v1/revisions:watch");
    source.onmessage = (message) => {
      const revision = JSON.parse(message.data) as { name: string };
      if (revision.name === shown) return;
      element("news")?.removeAttribute("hidden");
      document.removeEventListener("visibilitychange", open);
      close();
    };
    source.addEventListener("end", again);
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) again();
    };
  };

  document.addEventListener("visibilitychange", open);
  addEventListener("pagehide", close);
  document.querySelector("[data-reload]")?.addEventListener("click", (event) => {
    event.preventDefault();
    location.reload();
  });
  open();
}
