"""Create, read, update and delete of any resource, around what its declaration does.

Inputs and outputs here may hold secrets and unknown values; declarations see plain ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.aws.provider.check import DEFAULTS_KEY
from local.aws.provider.declaration import Resource
from local.aws.provider.differ import same_value
from local.aws.provider.errors import ProviderError, describe, is_gone
from local.aws.provider.facts import TypeFacts, all_facts
from local.aws.provider.resources import all_resources
from local.aws.provider.session import Operation, Session
from local.aws.provider.wire import UNKNOWN, Props, conceal, is_known, plain, secret_texts, wrapped_like


def declared(token: str) -> tuple[TypeFacts, Resource]:
    """Facts and declaration of a type.

    Raises:
        ProviderError: the local provider does not implement the type.
    """
    facts, resource = all_facts().get(token), all_resources().get(token)
    if facts is None or resource is None:
        service = token.split(":")[1].split("/", maxsplit=1)[0]
        near = [known.rsplit(":", 1)[-1] for known in all_resources() if known.startswith(f"aws:{service}/")]
        known = (
            f"of aws.{service} it implements {', '.join(near)}"
            if near
            else f"it implements nothing of aws.{service}"
        )
        raise ProviderError(
            f"the local aws provider does not implement {token}; {known}. Leave it out of the local stack, or add it "
            f"to local/aws/provider/resources"
        )
    return facts, resource


@dataclass(frozen=True)
class Lifecycle:
    """The life of one resource.

    Args:
        label: for messages, such as `create of aws.sqs.Queue "fetch"`.
    """

    session: Session
    facts: TypeFacts
    resource: Resource
    label: str
    tell: Callable[[str], None]
    cancelled: threading.Event

    def _operation(self, props: Props) -> Operation:
        region = props.get("region") or self.session.region
        return Operation(self.session, str(region), self.resource.service, self.tell, self.cancelled)

    def tags_all(self, inputs: Props) -> Any:
        """`tagsAll` of inputs, secret where a tag is; unknown when any tag is; None for a type without tags."""
        if not self.facts.tags:
            return None
        tags = plain(inputs.get("tags"))
        return wrapped_like(
            self.session.with_default_tags(tags) if is_known(tags) else UNKNOWN, inputs.get("tags")
        )

    def previewed(self, inputs: Props) -> Props:
        """Outputs of a create that has not run: what only AWS knows is unknown."""
        outputs = dict.fromkeys(self.facts.outputs, UNKNOWN)
        outputs |= {key: UNKNOWN for key, rule in self.facts.inputs.items() if rule.computed}
        return self._finished({**outputs, **inputs}, inputs)

    def previewed_update(self, olds: Props, old_inputs: Props, inputs: Props) -> Props:
        """Outputs of an update that has not run: only what really moves is unknown."""
        kept = {
            key: value
            for key, value in olds.items()
            if key not in self.facts.inputs or self._is_computed(key)
        }
        moved: frozenset[str] = self.resource.moves(plain(old_inputs), plain(inputs))
        return self._finished({**kept, **inputs, **dict.fromkeys(moved, UNKNOWN)}, inputs)

    def _is_computed(self, key: str) -> bool:
        return self.facts.inputs[key].computed

    def _finished(self, outputs: Props, inputs: Props) -> Props:
        """Outputs with `tagsAll`, with secrets kept secret, without what is Check's own."""
        finished = {key: value for key, value in outputs.items() if key != DEFAULTS_KEY}
        tags_all = self.tags_all(inputs)
        if tags_all is not None:
            finished["tagsAll"] = tags_all
        for key, rule in self.facts.inputs.items():
            if rule.sensitive and key in finished and not secret_texts(finished[key]):
                finished[key] = wrapped_like(finished[key], finished[key])
        return conceal(finished, secret_texts(inputs))

    def create(self, inputs: Props) -> tuple[str, Props]:
        """Makes the object and reads it back: (id, outputs). A create that fails half-way is undone.

        Raises:
            ProviderError: it failed; says whether something was left behind.
        """
        wanted = self._plain_with_tags(inputs)
        op = self._operation(wanted)
        try:
            identity = self.resource.create(op, wanted)
            found = self.resource.read(op, identity, wanted)
        except Exception as error:
            if op.made is not None:
                self._undo(op, wanted, error)
            raise
        if found is None:
            raise ProviderError(f"{self.label}: it was made as {identity}, and is not there when read back")
        return identity, self._finished({**_present(found), **inputs}, inputs)

    def _undo(self, op: Operation, wanted: Props, error: Exception) -> None:
        made = str(op.made)
        try:
            self.resource.delete(op, made, wanted)
        except Exception as second:  # noqa: BLE001 - told together with the first
            if not is_gone(second):
                left = f"; {made} was made and could not be removed again: {describe(second, 'delete')}"
                raise ProviderError(describe(error, self.label) + left) from error

    def _plain_with_tags(self, inputs: Props) -> Props:
        wanted = plain({key: value for key, value in inputs.items() if key != DEFAULTS_KEY})
        tags_all = self.tags_all(wanted)
        if tags_all is not None:
            wanted["tagsAll"] = tags_all
        return wanted

    def update(self, identity: str, olds: Props, old_inputs: Props, inputs: Props) -> Props:
        """Brings the change about in place and reads the object back: outputs.

        Raises:
            ProviderError: the object is gone, or the type cannot change in place.
        """
        wanted, before = self._plain_with_tags(inputs), self._plain_with_tags(old_inputs)
        op = self._operation(wanted)
        if self.resource.tag is not None:
            had = plain(olds.get("tagsAll") or {})
            tags = {key: value for key, value in wanted["tagsAll"].items() if had.get(key) != value}
            removed = [key for key in had if key not in wanted["tagsAll"]]
            if tags or removed:
                self.resource.tag(op, identity, tags, removed)
        if self.resource.update is not None:
            outputs = {key: value for key, value in plain(olds).items() if key in self.facts.outputs}
            # What the program no longer names and AWS fills in by itself stays as it is.
            kept = {
                key: value
                for key, value in before.items()
                if key in self.facts.inputs and self._is_computed(key)
            }
            self.resource.update(op, identity, {**outputs, **before}, {**outputs, **kept, **wanted})
        found = self.resource.read(op, identity, {**plain(olds), **wanted})
        if found is None:
            raise ProviderError(f"{self.label}: {identity} is gone; `pulumi up --refresh` makes it anew")
        kept = {key: value for key, value in olds.items() if key not in self.facts.inputs}
        return self._finished({**kept, **_present(found), **inputs}, inputs)

    def delete(self, identity: str, olds: Props) -> None:
        """Removes the object; one that is gone already is fine."""
        state = plain(olds)
        try:
            self.resource.delete(self._operation(state), identity, state)
        except Exception as error:
            if not is_gone(error):
                raise

    def read(self, identity: str, olds: Props, old_inputs: Props) -> tuple[Props, Props] | None:
        """(inputs, outputs) as they are now; None when the object is gone.

        Without old inputs (import, `.get`) every input that can be read comes back, and every default.
        """
        state = plain(olds)
        try:
            found = self.resource.read(self._operation(state), identity, state)
        except Exception as error:
            if is_gone(error):
                return None
            raise
        if found is None:
            return None
        found |= self._read_tags(found, plain(old_inputs.get("tags")))
        if not old_inputs:
            return self._imported(found)
        inputs = self._refreshed(old_inputs, found)
        outputs = {
            **olds,
            **{key: wrapped_like(value, olds.get(key)) for key, value in found.items()},
            **inputs,
        }
        outputs.pop(DEFAULTS_KEY, None)
        return inputs, conceal(_present(outputs), secret_texts(old_inputs))

    def _read_tags(self, found: Props, own: dict[str, str] | None) -> Props:
        if not self.facts.tags or "tagsAll" not in found:
            return {}
        tags_all = {key: value for key, value in found["tagsAll"].items() if not self.session.ignores(key)}
        defaults = self.session.default_tags
        tags = {
            key: value for key, value in tags_all.items() if defaults.get(key) != value or key in (own or {})
        }
        return {"tagsAll": tags_all, "tags": tags or None}

    def _imported(self, found: Props) -> tuple[Props, Props]:
        inputs: Props = {
            key: rule.default for key, rule in self.facts.inputs.items() if rule.default is not None
        }
        taken = {*self.facts.inputs, "tagsAll"}
        inputs |= {key: value for key, value in found.items() if key in taken and value not in (None, {}, [])}
        if self.facts.regional:
            inputs.setdefault("region", self.session.region)
        for key, rule in self.facts.inputs.items():
            for other in rule.conflicts:
                if key in inputs and other in inputs and other not in found:
                    del inputs[other]
        outputs = {**_present(found), **inputs}
        return {**inputs, DEFAULTS_KEY: []}, outputs

    def _refreshed(self, old_inputs: Props, found: Props) -> Props:
        """Old inputs with what the program had set and is different now; a property that cannot be read stays."""
        inputs: Props = {}
        for key, old in old_inputs.items():
            if key not in found or key == DEFAULTS_KEY:
                inputs[key] = old
            elif found[key] is not None:
                alike = same_value(self.facts, key, plain(old), found[key])
                inputs[key] = old if alike else wrapped_like(found[key], old)
            elif plain(old) in (False, "", [], {}):
                inputs[key] = old
        if found.get("tags") and "tags" not in inputs:
            inputs["tags"] = found["tags"]
        return inputs


def _present(props: Props) -> Props:
    return {key: value for key, value in props.items() if value is not None}
