"""Where the parameters of the parts of a kernel object stand in theta."""

from sklearn.gaussian_process import kernels as gp


def places(kernel, place):
    """Return where the parameters of a kernel object stand in theta.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        Not made of others.
    place : int
        Where in theta its parameters begin.

    Returns
    -------
    places : dict
        Place by name, None for fixed parameters.
    """
    found = {}
    for parameter in kernel.hyperparameters:
        found[parameter.name] = None if parameter.fixed else place
        if not parameter.fixed:
            place += parameter.n_elements
    return found


def branches(kernel, place):
    """Return the kernel objects that one is made of, with their places in theta.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        A sum, a product or a power.
    place : int
        Where in theta its parameters begin.

    Returns
    -------
    branches : list of tuple
        Kernel object and place.
    """
    if type(kernel) is gp.Exponentiation:
        return [(kernel.kernel, place)]
    return [(kernel.k1, place), (kernel.k2, place + kernel.k1.n_dims)]
