"""What an IAM document newly allows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.iam import public_grants, widening

QUEUE = "arn:aws:sqs:us-east-1:1:q"


def allow(action: Any, resource: Any = QUEUE, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = QUEUE, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def doc(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


TLS = {"Bool": {"aws:SecureTransport": "true"}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(doc(allow(["sqs:A", "sqs:B"])), doc(allow(["sqs:B", "sqs:A"])), id="another order"),
        pytest.param(doc(allow(["sqs:A", "sqs:B"])), doc(allow("sqs:A"), allow("sqs:B")), id="split"),
        pytest.param(
            doc(allow("sqs:A", Sid="x")), doc(allow(["sqs:A"], [QUEUE], Sid="y")), id="written otherwise"
        ),
        pytest.param(doc(allow("sqs:SendMessage")), doc(allow("SQS:sendmessage")), id="actions ignore case"),
        pytest.param(doc(allow("sqs:*")), doc(allow("sqs:Send*")), id="a narrower pattern"),
        pytest.param(doc(allow("sqs:A", "*")), doc(allow("sqs:A")), id="a narrower resource"),
        pytest.param(doc(allow("sqs:A")), doc(allow("sqs:A", Condition=TLS)), id="one more condition"),
        pytest.param(doc(allow("sqs:A"), allow("sqs:B")), doc(allow("sqs:A")), id="less"),
        pytest.param(
            doc(allow("sqs:A", Condition={"StringNotEquals": {"k": "a"}})),
            doc(allow("sqs:A", Condition={"StringNotEquals": {"k": ["a", "b"]}})),
            id="one more exception",
        ),
        pytest.param(doc(deny("sqs:A")), doc(deny("sqs:*")), id="a wider Deny"),
        pytest.param(
            doc(deny("sqs:A", Condition=TLS)), doc(deny("sqs:A")), id="a Deny without its condition"
        ),
        pytest.param(doc(allow("sqs:A")), None, id="no document any more"),
    ],
)
def test_what_allows_no_more_is_no_widening(before: Any, after: Any) -> None:
    assert widening(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        pytest.param(
            doc(allow("sqs:A")), doc(allow(["sqs:A", "sqs:B"])), f"allows sqs:B on {QUEUE}", id="action"
        ),
        pytest.param(doc(allow("sqs:A")), doc(allow("sqs:*")), f"allows sqs:* on {QUEUE}", id="wildcard"),
        pytest.param(doc(allow("sqs:A")), doc(allow("sqs:A", "*")), "allows sqs:A on *", id="resource"),
        pytest.param(None, doc(allow("sqs:A")), f"allows sqs:A on {QUEUE}", id="first document"),
        pytest.param(
            doc(allow("sqs:A", Condition=TLS)),
            doc(allow("sqs:A")),
            f"allows sqs:A on {QUEUE} without any condition",
            id="condition gone",
        ),
        pytest.param(
            doc(allow("sqs:A", Condition={"StringEquals": {"k": "a"}})),
            doc(allow("sqs:A", Condition={"StringEquals": {"k": ["a", "b"]}})),
            f"allows sqs:A on {QUEUE} if StringEquals k=a,b (under other conditions than before)",
            id="condition wider",
        ),
        pytest.param(
            doc(allow("sqs:A", Condition={"StringNotEquals": {"k": ["a", "b"]}})),
            doc(allow("sqs:A", Condition={"StringNotEquals": {"k": "a"}})),
            f"allows sqs:A on {QUEUE} if StringNotEquals k=a (under other conditions than before)",
            id="one exception less",
        ),
        pytest.param(
            doc(allow("sts:AssumeRole", None, Principal={"Service": "ec2.amazonaws.com"})),
            doc(allow("sts:AssumeRole", None, Principal={"Service": ["ec2.amazonaws.com"], "AWS": "2"})),
            "allows sts:AssumeRole to AWS 2",
            id="principal",
        ),
        pytest.param(doc(deny("sqs:A")), doc(), f"no longer denies sqs:A on {QUEUE}", id="Deny gone"),
        pytest.param(
            doc(deny("sqs:*")),
            doc(deny("sqs:*", Condition=TLS)),
            f"no longer denies sqs:* on {QUEUE} without any condition",
            id="Deny narrower",
        ),
    ],
)
def test_what_allows_more_is_told_in_one_line(before: Any, after: Any, line: str) -> None:
    assert widening(before, after) == [line]


def test_a_statement_of_all_but_something_is_the_same_only_when_it_is_equal() -> None:
    wide = doc({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
    wider = doc({"Effect": "Allow", "NotAction": "iam:Delete*", "Resource": "*"})
    assert widening(wide, wide) == []
    assert len(widening(wide, wider)) == 1
    assert len(widening(doc(allow("*", "*")), wide)) == 1


def test_a_bracket_in_an_arn_is_no_pattern() -> None:
    assert widening(doc(allow("sqs:A", "arn:[ab]*")), doc(allow("sqs:A", "arn:a1"))) == [
        "allows sqs:A on arn:a1"
    ]


def test_only_what_anyone_may_do_without_a_condition_is_public() -> None:
    everyone = doc(allow("s3:GetObject", "b/*", Principal="*"))
    inside = doc(
        allow("s3:GetObject", "b/*", Principal="*", Condition={"StringEquals": {"aws:SourceVpce": "v"}})
    )
    assert public_grants(None, everyone) == ["allows s3:GetObject on b/* to AWS *"]
    assert public_grants(None, inside) == []
    assert public_grants(everyone, everyone) == []


_statements = st.lists(
    st.builds(
        allow,
        st.lists(st.sampled_from(["sqs:A", "sqs:B", "sqs:*", "s3:Get*"]), min_size=1, max_size=3),
        st.lists(st.sampled_from([QUEUE, "arn:x", "*"]), min_size=1, max_size=2),
    ),
    max_size=4,
)


@given(_statements, _statements)
def test_more_statements_never_allow_less_and_fewer_never_more(some: Any, more: Any) -> None:
    assert widening(doc(*some, *more), doc(*some)) == []
    assert widening(doc(*some), doc(*reversed(some))) == []
