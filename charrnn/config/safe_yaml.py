"""Read the YAML of configurations, with bounds on the time and memory that a file can take.

The reader knows mappings, lists, strings and null. A number, a word such as yes and a date are
strings too, spelled as in the file: the kind of a key decides what they mean, because YAML's own
rules surprise (0100 is 64, 1:30 is 90, no is false). The reader refuses tags, which could ask for
another type. It bounds the size of the text, the nesting, and the number of values with every alias
written out, so that a small file cannot stand for a large value.
"""

from __future__ import annotations

from typing import Any

import yaml

from charrnn.errors import counted, shown, shown_name

LARGEST = 256 << 10  # bytes; PyYAML takes two seconds for it
_DEEPEST = 20  # levels; a list of paths is at level 3
_MOST = 20_000  # values


class InvalidYAMLError(ValueError):
    """A text that is not valid YAML: where, what is wrong, and how to fix it."""


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        InvalidYAMLError: the text is not YAML, has a tag, or exceeds the bounds.
    """
    if len(text) > LARGEST:
        most = counted(LARGEST, "char")
        raise InvalidYAMLError(f"has more than {most}, and no configuration does")
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = shown_name(str(error.problem), 200)
        raise InvalidYAMLError(f"{place}{problem}; {_remedy(str(error.problem))}") from None
    except yaml.reader.ReaderError as error:
        character = f"#x{error.character:04x}" if isinstance(error.character, int) else "character"
        raise InvalidYAMLError(
            f"is not valid YAML: the {character} at position {error.position} is not allowed; "
            'write it in double quotes, as in "\\x07"'
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
        raise InvalidYAMLError(f"is not valid YAML: {shown_name(str(error), 200)}") from None


def _remedy(problem: str) -> str:
    if "\\t" in problem:
        return "indent with spaces, not tabs"
    if "alphabetic or numeric" in problem or "undefined alias" in problem:
        return "put a string that begins with * or & into quotes"
    if problem.startswith("the key"):
        return "remove one"
    if problem.startswith("the tag"):
        return "leave it out"
    if problem.startswith(("there are more than", "the alias")):
        return "write out the values"
    return "this is not valid YAML here"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds; it also refuses a key that occurs twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name is PyYAML's
        first: [(tag, pattern) for tag, pattern in found if tag.endswith(":null")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._count = 0
        self._sizes: dict[int, int] = {}  # values in each complete node, by the node's id

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                self._refuse(f"the alias *{event.anchor} is part of the value it names", event)
            self._add(self._sizes[id(node)], event)
            return node
        if event.tag not in (None, "!"):  # "!" asks for a string, as quotes do
            tag = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            self._refuse(f"the tag {tag} is not used here", event)
        before = self._count
        self._add(1, event)
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse(f"there are more than {counted(_DEEPEST, 'level')} of nesting", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._sizes[id(node)] = self._count - before
        return node

    def _add(self, count: int, event: Any) -> None:
        self._count += count
        if self._count > _MOST:
            most = counted(_MOST, "value")
            self._refuse(f"there are more than {most}, with aliases written out", event)

    def _refuse(self, problem: str, event: Any) -> None:
        raise yaml.composer.ComposerError(None, None, problem, event.start_mark)


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        problem = ""
        if not isinstance(key, str):
            problem = f"{shown(key)} is not a key"
        elif key in values:
            problem = f"the key {shown_name(key)} occurs twice in this section"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        values[key] = loader.construct_object(value_node, deep=True)
    return values


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
