"""The table of a model's parameters: as cells, and as the `parameters.tex` of a documentation."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

ALIGNMENTS = {"left": "l", "center": "c", "right": "r", "decimal": "r"}
MINIMUM_PADDING = 2
"""A column is wider than its head by so much: as `tabulate`, which made these files before."""
DIGITS = 4
"""Of a value. More are in parameters.py."""


class ParameterTable(NamedTuple):
    """Cells are LaTeX, with `$` around formulas."""

    columns: List[str]
    alignment: str
    """One of l, c, r for each column."""
    rows: List[List[str]]
    names: List[str]
    """The parameters' names, one for each row."""
    values: List[Optional[float]]
    """Their values, where these are real numbers."""

    def tex(self) -> str:
        """A `tabular`."""
        widths = [
            max(len(head) + MINIMUM_PADDING, *(len(row[index]) for row in self.rows), 0)
            for index, head in enumerate(self.columns)
        ]
        lines = ["\\begin{tabular}{%s}" % self.alignment, "\\hline"]
        lines += [self._line(self.columns, widths), "\\hline"]
        lines += [self._line(row, widths) for row in self.rows]
        lines += ["\\hline", "\\end{tabular}"]
        return "\n".join(lines)

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        placed = []
        for cell, width, alignment in zip(cells, widths, self.alignment):
            if alignment == "c":
                # The odd blank goes to the right, other than with str.center.
                left = (width - len(cell)) // 2
                placed.append(" " * left + cell + " " * (width - len(cell) - left))
            else:
                placed.append(cell.rjust(width) if alignment == "r" else cell.ljust(width))
        return " " + " & ".join(placed) + " \\\\"


def table_of(parameters: Any) -> ParameterTable:
    """The table that a module made by `import_parameters` describes.

    Before and after the columns Symbol, Value and (where there are ranges) Range stand those that
    it gives itself. Raises ValueError for columns of different lengths.
    """
    import sympy

    symbols = list(parameters.pp_symb)
    names = latex_names(parameters)
    ranges = getattr(parameters, "pp_range_list", None)
    columns = [_texts(column) for column in parameters.start_columns_list]
    before = len(columns)
    columns.append(["$%s$" % sympy.latex(symbol, symbol_names=names) for symbol in symbols])
    columns.append(["$%s$" % _value(value, names) for value in parameters.pp_sf])
    if ranges is not None:
        columns.append([_range(allowed) for allowed in ranges])
    columns += [_texts(column) for column in parameters.end_columns_list]
    for number, column in enumerate(columns, 1):
        if len(column) != len(symbols):
            raise ValueError(
                "column %d of the parameter table has %d entries for %d parameters"
                % (number, len(column), len(symbols))
            )
    defaults = parameters.get_default_parameters()
    return ParameterTable(
        columns=_heads(parameters, len(columns), before + 2 if ranges is not None else None),
        alignment=_alignment(parameters, len(columns), before + 2 if ranges is not None else None),
        rows=[list(row) for row in zip(*columns)],
        names=[str(symbol) for symbol in symbols],
        values=[_real(defaults.get(symbol)) for symbol in symbols],
    )


def latex_names(parameters: Any) -> Dict[Any, str]:
    """How parameters.py wants symbols to be written: symbol to LaTeX."""
    given = getattr(parameters, "latex_names", None)
    if not isinstance(given, dict):
        return {}
    return {symbol: text for symbol, text in given.items() if isinstance(text, str)}


def _texts(column: Any) -> List[str]:
    return ["" if cell is None else str(cell) for cell in column]


def _heads(parameters: Any, count: int, place_of_range: Optional[int]) -> List[str]:
    heads = _texts(parameters.tabular_header)
    if place_of_range is not None and "Range" not in heads and len(heads) < count:
        heads.insert(place_of_range, "Range")
    # Too few heads are those of the last columns.
    return ([""] * (count - len(heads)) + heads)[:count]


def _alignment(parameters: Any, count: int, place_of_range: Optional[int]) -> str:
    given = [ALIGNMENTS.get(str(one), "l") for one in parameters.col_alignment]
    if place_of_range is not None and len(given) < count and place_of_range <= len(given):
        given.insert(place_of_range, "l")
    return "".join((given + ["l"] * count)[:count])


def _value(value: Any, names: Dict[Any, str]) -> str:
    """A number with few digits, anything else as the formula that it is."""
    import sympy

    if isinstance(value, (int, float)) or getattr(value, "is_Float", False):
        return _number("%.*g" % (DIGITS, float(value)))
    if getattr(value, "is_Integer", False):
        return _number("%.*g" % (DIGITS, float(value)))
    return str(sympy.latex(value, symbol_names=names))


def _number(text: str) -> str:
    found = re.match(r"^(.*)e([+-])0*(\d+)$", text)
    if found:
        return r"%s \cdot 10^{%s}" % (found.group(1), found.group(2).strip("+") + found.group(3))
    return text.replace("inf", r"\infty")


def _range(allowed: Any) -> str:
    """A list is closed, a tuple open, a letter a set of numbers; None, where it is a constant."""
    if allowed is None:
        return "-"
    if isinstance(allowed, (list, tuple)) and len(allowed) == 2:
        brackets = "[]" if isinstance(allowed, list) else "()"
        low, high = (_bound(bound) for bound in allowed)
        return "$%s%s, %s%s$" % (brackets[0], low, high, brackets[1])
    letter = allowed if isinstance(allowed, str) and len(allowed) == 1 else "R"
    return r"$\mathbb{%s}$" % letter


def _bound(bound: Any) -> str:
    if isinstance(bound, (int, float)):
        return _number(str(bound))
    import sympy

    return str(sympy.latex(sympy.sympify(bound)))


def _real(value: Any) -> Optional[float]:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None
