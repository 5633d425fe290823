// Tells quietly that the repository changed.

import { follow } from "./following";
import { element } from "./live";

export function watchRevision(shown: string): void {
  document.querySelector("[data-reload]")?.addEventListener("click", (event) => {
    event.preventDefault();
    location.reload();
  });
  follow("revisions", "", {
    onEvent(message) {
      if ((message as { name: string }).name !== shown) element("news")?.removeAttribute("hidden");
    },
  });
}
