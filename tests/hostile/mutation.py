"""JSON as a stranger sends it: a true value with some places replaced by anything."""

from typing import Any

from hypothesis import strategies as st

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
    | st.sampled_from(["", "..", "x" * 300, "\x1b[2K", "2026-13-45T00:00:00Z", "1" * 400, "-1", "0", "True"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything inside a value."""
    found = [path] if path else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, (*path, index))
    return found


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """The value with what stands at `path` replaced; `...` takes it away."""
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        if not rest and by is ...:
            return {name: inner for name, inner in value.items() if name != first}
        return {
            name: replaced(inner, rest, by) if name == first and rest else by if name == first else inner
            for name, inner in value.items()
        }
    copy = list(value)
    if not rest and by is ...:
        del copy[first]
    else:
        copy[first] = replaced(copy[first], rest, by) if rest else by
    return copy


@st.composite
def spoiled(draw: Any, value: Any, keep: tuple[tuple[Any, ...], ...] = (), most: int = 4) -> Any:
    """`value` with up to `most` places replaced or taken away, but for those that begin with one of `keep`."""
    for _ in range(draw(st.integers(1, most))):
        candidates = [
            path for path in places(value) if not any(path == kept or kept[: len(path)] == path for kept in keep)
        ]
        if not candidates:
            return value
        value = replaced(value, draw(st.sampled_from(candidates)), draw(anything | st.just(...)))
    return value
