"""Which versions of which packages are installed, for reports."""

import importlib.metadata

from valence import __version__

__all__ = ["installed_versions"]


def installed_versions(*packages: str) -> dict[str, str]:
    """List versions of what a result hangs on.

    Args:
        *packages: names of distributions besides valence.

    Returns:
        valence's version and those of the packages that are installed, by name.
    """
    found = {"valence": __version__}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
