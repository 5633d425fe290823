// Pages that show how things are with many checks: drawn anew when one of these changes.

import { follow } from "./following";
import { refreshSoon } from "./live";

interface Activity {
  change: string;
  entities: string[];
  finished: string[];
  more: boolean;
  readTime: string;
}

/** Clocks of services may differ by so much. */
const CLOCKS_MILLISECONDS = 5_000;

/**
 * Draws the page anew when checks change. `data-moves` says which: `any`, `finished`, or those of
 * one entity (`entities/{KEY}`).
 */
export function watchActivity(place: HTMLElement): void {
  const kind = place.dataset.moves ?? "any";
  const drawn = Number(document.body.dataset.drawn ?? "0") - CLOCKS_MILLISECONDS;
  let last = "";
  follow("activity", "", {
    onEvent(message) {
      const { change, entities, finished, more, readTime } = message as Activity;
      const first = last === "";
      if (change === last) return;
      last = change;
      if (first && Date.parse(readTime) < drawn) return; // the page shows it already
      const named = { any: entities, finished }[kind] ?? entities.filter((one) => one === kind);
      if (more || named.length) refreshSoon();
    },
    onGap: refreshSoon,
  });
}
