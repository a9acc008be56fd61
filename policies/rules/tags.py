"""Tags: by them costs are told apart, and rights and alarms are bound."""

from __future__ import annotations

from collections.abc import Iterator

from .machines import LAUNCH_TEMPLATE
from .reading import Props
from .rule import ResourceRule, Rule, Subject
from .taggable import TAGGABLE

REQUIRED = ("Project", "Stack")
MACHINE_KINDS = ("instance", "volume")

_TAGGING = "https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html"


def _tagged(resource: Subject) -> Iterator[str]:
    if missing := [tag for tag in REQUIRED if not _has(resource, tag)]:
        yield f"no tag {' and '.join(missing)}: set it under aws:defaultTags in the stack file, or in its tags"


def _has(resource: Subject, tag: str) -> bool:
    """Whether the resource will carry the tag: its own, the provider's merge of both, or the provider's default."""
    places = [resource.props.one("tagsAll"), resource.props.one("tags")]
    if resource.provider is not None:
        places.append(Props(resource.provider.props).one("defaultTags").one("tags"))
    # A value that is not known yet is a value.
    return any(place.is_unknown(tag) or place.text(tag) for place in places)


def _machines_tagged(template: Subject) -> Iterator[str]:
    specifications = template.props.many("tagSpecifications")
    for kind in MACHINE_KINDS:
        tags = [s.one("tags") for s in specifications if s.text("resourceType") == kind]
        missing = [t for t in REQUIRED if not any(g.is_unknown(t) or g.text(t) for g in tags)]
        if missing:
            yield f"{kind}s get no tag {' and '.join(missing)}: add it to tag_specifications"


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="resource-tagged",
        what="Whatever can be tagged carries Project and Stack.",
        why="Bills, the budget and the rights of who deploys are bound to them.",
        reference=_TAGGING,
        types=TAGGABLE,
        check=_tagged,
    ),
    ResourceRule(
        name="machines-tagged",
        what="A launch template tags its instances and volumes with Project and Stack.",
        why="The provider's default tags do not reach what AWS starts from a template.",
        reference="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html",
        types=(LAUNCH_TEMPLATE,),
        check=_machines_tagged,
    ),
)
