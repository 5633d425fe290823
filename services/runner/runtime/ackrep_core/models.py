"""The base class of system models."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Optional

import sympy

from ackrep_core.parameters import plain

logger = logging.getLogger("ackrep_core")


class GenericModel:
    """A dynamical system in state space form, symbolic and numeric.

    A subclass defines `initialize()`, which sets `u_dim`, `has_params`, `params`, and either
    `sys_dim` or `default_param_sys_dim`; `get_rhs_symbolic()`; with inputs `uu_default_func()`;
    and, where the number of states is free, `_create_n_dim_symb_parameters()`.

    Args:
        x_dim: number of states, where the model leaves it free.
        u_func: input function of time and state, instead of the default.
        pp: parameter values, as a list in the symbols' order or a dict by symbol.
    """

    t_symb = sympy.Symbol("t")

    def __init__(
        self, x_dim: Optional[int] = None, u_func: Optional[Callable] = None, pp: Any = None
    ) -> None:
        self.sys_dim = x_dim
        self.default_param_sys_dim: Optional[int] = None
        self.u_dim = 0
        self.has_params = False
        self.params: Any = None
        self.initialize()
        if self.sys_dim is None:
            self.sys_dim = self.default_param_sys_dim
        if not isinstance(self.sys_dim, int) or self.sys_dim <= 0:
            raise AssertionError(
                "the number of states must be a positive integer, not %r" % (self.sys_dim,)
            )

        self.n = self.sys_dim
        self.dxx_dt_symb: Any = None
        self.pp_symb: Any = None
        self.pp_dict: Optional[Dict[Any, Any]] = None
        self.pp_str_dict: Optional[Dict[str, Any]] = None
        self.pp_subs_list: Any = None
        self.uu_func: Any = None
        self._exact_subs_list: Any = []
        if not hasattr(self.params, "get_default_parameters"):
            self.has_params = False
        self.uu_symb = [sympy.Symbol("u%d" % (i + 1)) for i in range(self.u_dim)]
        self.xx_symb = [sympy.Symbol("x%d" % (i + 1)) for i in range(self.n)]
        if self.has_params:
            self.set_parameters(pp)
        if self.u_dim > 0:
            self.uu_func = self.uu_default_func() if u_func is None else u_func
        else:
            self.uu_func = lambda t, xx: []

    # What subclasses define.

    def initialize(self) -> None:
        """Set the dimensions and parameters of the model."""
        raise NotImplementedError("a model must define initialize()")

    def get_rhs_symbolic(self) -> Any:
        """The right hand side as a list or matrix of expressions."""
        raise NotImplementedError("a model must define get_rhs_symbolic()")

    def uu_default_func(self) -> Callable:
        """The input as a function of time and state."""
        raise NotImplementedError("a model with inputs must define uu_default_func()")

    def _create_n_dim_symb_parameters(self) -> Optional[List[Any]]:
        """The symbols of the parameters, where their number depends on that of the states."""
        return None

    # What everybody uses.

    def set_parameters(self, pp: Any) -> None:
        """Use these parameter values; None means the default ones."""
        if not self.has_params:
            return
        defaults = self.params.get_default_parameters()
        exact = getattr(self.params, "exact_default_parameters", lambda: defaults)()
        symbols = self._create_n_dim_symb_parameters()
        symbols = list(defaults) if symbols is None else list(symbols)
        if pp is None:
            values, exact_values = list(defaults.values()), list(exact.values())
        elif isinstance(pp, dict):
            by_name = {str(key): value for key, value in pp.items()}
            unknown = sorted(set(by_name) - {str(symbol) for symbol in symbols})
            if unknown:
                raise AssertionError("the model has no parameters %s" % ", ".join(unknown))
            fallback = {str(key): value for key, value in exact.items()}
            fallback.update(by_name)
            exact_values = [fallback[str(symbol)] for symbol in symbols]
            values = [plain(value) for value in exact_values]
        else:
            exact_values = list(pp)
            values = [plain(value) for value in exact_values]
        if len(values) != len(symbols):
            raise AssertionError(
                "%d parameter values for %d parameters" % (len(values), len(symbols))
            )
        self.pp_dict = dict(zip(symbols, values))
        self.pp_str_dict = {str(symbol): value for symbol, value in self.pp_dict.items()}
        self.pp_symb = symbols
        self.pp_subs_list = list(self.pp_dict.items())
        # Exact values keep expressions exact (1*x, not 1.0*x); floats are for arithmetic.
        self._exact_subs_list = list(zip(symbols, exact_values))
        self._warn_of_ranges()

    def get_parameter_value(self, name: str) -> Any:
        """The value of the parameter with this name."""
        if self.pp_str_dict is None:
            raise KeyError(name)
        return self.pp_str_dict[str(name)]

    def set_input_func(self, u_func: Callable) -> None:
        """Use this function of time and state as input, also in functions made before."""
        self.uu_func = u_func

    def get_rhs_symbolic_num_params(self) -> Any:
        """The right hand side as a matrix, with the parameters' values put in."""
        return sympy.Matrix(self.get_rhs_symbolic()).subs(self._exact_subs_list)

    def get_rhs_func(self) -> Callable:
        """The right hand side as a function of time and state, for a numerical solver.

        The parameters are those of now, the input function is that of each call.
        """
        arguments = list(self.xx_symb) + list(self.uu_symb)
        expressions = list(self.get_rhs_symbolic_num_params())
        evaluate = sympy.lambdify(arguments, expressions, modules="numpy")

        def rhs(t: Any, xx: Any) -> Any:
            return evaluate(*tuple(xx), *tuple(self.uu_func(t, xx)))

        return rhs

    def _warn_of_ranges(self) -> None:
        ranges = getattr(self.params, "pp_range_list", None)
        if not ranges or self.pp_dict is None:
            return
        for (symbol, value), allowed in zip(self.pp_dict.items(), ranges):
            if not isinstance(value, (int, float)) or not isinstance(allowed, (list, tuple)):
                continue
            if len(allowed) != 2:
                continue
            low, high = (float(bound) for bound in allowed)
            closed = isinstance(allowed, list)
            inside = low <= value <= high if closed else low < value < high
            if not inside:
                logger.warning("the parameter %s = %g is not within %r", symbol, value, allowed)
