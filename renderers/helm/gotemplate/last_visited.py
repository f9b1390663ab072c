"""Which node an execution came to last: what is wrong with the type of a value is said of that one.

Go's text/template notes each node that it comes to, and names the last one in its messages. After an argument in
parentheses this is the innermost last argument of its last command; `and` and `or` may end before their last argument.
"""

from collections.abc import Mapping

from renderers.helm.gotemplate import nodes


def last_visited(node: nodes.Node, decided: Mapping[int, int]) -> nodes.Node:
    """The node that was visited last, once `node` has its value.

    `decided` says of each command of `and` and `or`, by its `id`, which of its arguments gave its value.
    """
    while True:
        match node:
            case nodes.Pipe():
                node = node.commands[-1]
            case nodes.Chain():
                node = node.node
            case nodes.Command(args=[only]):
                node = only
            case nodes.Command(args=[_, *args]):
                node = args[min(decided.get(id(node), len(args)), len(args) - 1)]
            case _:
                return node
