"""Parameters of what an estimator was given by name."""


class NamedObjects:
    """Mixin of estimators with parameters that are a name or an object.

    With ``penalty="mcp"``, ``set_params(penalty__gamma=2.0)`` sets the penalty to
    ``MCP(gamma=2.0)``: the parameters of a name can be searched like those of an
    object.
    """

    def _makers(self):
        """Return by parameter the function that makes the object of a name."""
        return {}

    def set_params(self, **params):
        """Set parameters, also those of what was given by name: ``penalty__gamma``.

        Parameters
        ----------
        **params : dict
            Names and values. Where a parameter is a name, ``penalty="mcp"`` for
            instance, ``penalty__gamma=2.0`` puts the object in its place,
            ``penalty=MCP(gamma=2.0)``.

        Returns
        -------
        self : estimator
            Itself.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        inner = {}
        for key, value in params.items():
            name, nested, rest = key.partition("__")
            if nested and name in self._get_param_names():
                given = params.get(name, getattr(self, name))
                if isinstance(given, str):
                    inner.setdefault((name, given), {})[rest] = value
        for (name, given), values in inner.items():
            # Made before anything is set: an error leaves the estimator as it was.
            made = self._made(name, given).set_params(**values)
            params = {k: v for k, v in params.items() if k.partition("__")[0] != name}
            params[name] = made
        return super().set_params(**params)

    def _made(self, name, given):
        """Return the object that a name stands for."""
        makers = self._makers()
        if name not in makers:
            raise ValueError(
                f"{name}={given!r} is a name, and {name} of {type(self).__name__} has "
                "no parameters to set."
            )
        return makers[name](given)
