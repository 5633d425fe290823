// Sets formulas with KaTeX. What it makes is of the text alone: no links, no HTML, no macros of
// others, bounded in size and expansions.
import katex from "katex";

const MOST_FORMULAS = 1000;
const MOST_CHARACTERS = 4000;
/** Deeper elements than some hundred fractions in each other make end a browser's tab. */
const MOST_LEVELS = 250;
const OPTIONS = {
  maxExpand: 200,
  maxSize: 20,
  output: "htmlAndMathml",
  strict: "ignore",
  throwOnError: true,
  trust: false,
} as const;

/** Whether elements stand in each other deeper than a browser lays out safely. */
function tooDeep(made: Element): boolean {
  let level: Element[] = [made];
  for (let depth = 0; level.length; depth++) {
    if (depth > MOST_LEVELS) return true;
    level = level.flatMap((element) => [...element.children]);
  }
  return false;
}

/** Sets all formulas that are not set yet. What KaTeX does not understand stays as it is. */
export function setAll(): void {
  const found = [...document.querySelectorAll<HTMLElement>(".math:not([data-set])")];
  for (const place of found.slice(0, MOST_FORMULAS)) {
    const text = place.textContent ?? "";
    place.dataset.set = text;
    const displayMode = text.startsWith("$$");
    const tex = displayMode ? text.slice(2, -2) : text.slice(1, -1);
    if (tex.length > MOST_CHARACTERS) continue;
    const made = document.createElement("span");
    try {
      katex.render(tex, made, { ...OPTIONS, displayMode });
    } catch {
      continue;
    }
    if (tooDeep(made)) continue;
    place.replaceChildren(made);
    // What has to be scrolled can be scrolled by keys.
    const display = made.querySelector<HTMLElement>(".katex-display");
    if (display && display.scrollWidth > display.clientWidth) display.tabIndex = 0;
  }
}
