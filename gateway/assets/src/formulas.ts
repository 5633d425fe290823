// Loads what sets formulas, only where a page has some.

/** Sets the formulas of the page; without this script they stay readable as TeX. */
export function setFormulas(): void {
  const own = document.querySelector<HTMLScriptElement>("script[data-math]");
  if (!own || !document.querySelector(".math:not([data-set])")) return;
  const style = own.dataset.mathStyle ?? "";
  if (!document.querySelector(`link[href="${style}"]`)) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = style;
    document.head.append(link);
  }
  void import(own.dataset.math ?? "").then((math: { setAll: () => void }) => math.setAll());
}
