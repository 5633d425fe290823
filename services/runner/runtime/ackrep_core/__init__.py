"""What entities import: the surface of the 2022 `ackrep_core`, written anew.

No database, no web framework, and nothing heavy is imported before an entity needs it: importing
this package costs milliseconds. It runs on Python 3.8 and needs nothing but the standard library;
`GenericModel` needs sympy, `save_plot_in_dir` matplotlib, as the entities that use them do.
"""

from ackrep_core.results import ResultContainer

__all__ = ["ResultContainer", "__version__"]

__version__ = "1.0.0"
