"""What the API server would make of an apply, computed here: exact where fields decide, wrong only towards asking.

Quantities, defaults and webhooks are the server's business: an object that they alter looks changed here and costs
one dry-run, whose answer then decides.
"""

from gitops.manifests.key import Body
from gitops.manifests.structured_merge import apply
from gitops.manifests.typed import TypedError

FIELD_MANAGER = "gitops"
# The time of an entry decides nothing here; a constant keeps the function pure.
_NOW = "1970-01-01T00:00:00Z"


def predict(live: Body, desired: Body) -> Body:
    """The body after a forced apply of `desired`: `live` itself when nothing would change.

    A desired body that does not fit its type is given back as it is, so that the server is asked and says why.
    """
    try:
        return apply(live, desired, manager=FIELD_MANAGER, now=_NOW, force=True).body
    except TypedError:
        return desired
