"""The list of problems and its page."""

import re
from pathlib import Path

import msgspec

from serving.gateway import problems
from serving.gateway.problems import INVALID_ROWS, OVERLOADED, PAGE, PROBLEM_TYPES, Problem
from serving.gateway.schema import FieldError, ProblemDetails
from serving.gateway.settings import GatewaySettings

PAGE_TEXT = (Path(__file__).parents[3] / PAGE).read_text(encoding="utf-8")


def test_the_list_holds_every_problem() -> None:
    """A problem that a module defines stands in the list that the page is checked against."""
    defined = [v for v in vars(problems).values() if isinstance(v, problems.ProblemType)]
    assert sorted(p.name for p in defined) == sorted(p.name for p in PROBLEM_TYPES)


def test_the_page_explains_every_problem() -> None:
    """Each problem has its section, which begins with the status, and no section is left over."""
    sections = re.findall(r"^### (\S+)\n\n(\d+)\.", PAGE_TEXT, re.MULTILINE)
    assert sections == [(kind.name, str(kind.status)) for kind in PROBLEM_TYPES]


def test_the_page_says_whether_to_retry() -> None:
    """A problem that carries `Retry-After` is one that the page says to retry."""
    for section in PAGE_TEXT.split("\n### ")[1:]:
        kind = next(k for k in PROBLEM_TYPES if section.startswith(k.name))
        assert ("`Retry-After`" in section) == (kind.retry_after_s is not None), kind.name
        assert "**Retry**" in section or "**Do not retry" in section, kind.name


def test_the_page_names_the_limits() -> None:
    """Each limit stands on the page with its default."""
    for field in msgspec.structs.fields(GatewaySettings):
        if isinstance(field.default, int) and field.name != "gateway_port":
            row = next(r for r in PAGE_TEXT.splitlines() if f"`{field.encode_name}` |" in r)
            shown = f"{field.default:,}"
            seconds = f"{field.default / 1000:g} s"
            assert f"| {seconds if field.name.endswith('_ms') else shown} |" in row


def test_a_problem_is_written_after_rfc_9457() -> None:
    """The body has type, title, status and detail, and the faults by row and field."""
    faults = [FieldError(row=0, field="petal_width", detail="missing")]
    body = Problem(INVALID_ROWS, "what is wrong", errors=faults).body("some-id")
    details = msgspec.json.decode(body, type=ProblemDetails)
    assert details.type == "docs/api.md#invalid-rows"
    assert (details.status, details.detail) == (422, "what is wrong")
    assert details.request_id == "some-id"
    assert details.errors == faults


def test_what_may_pass_says_when_to_come_back() -> None:
    """`Retry-After` is sent with what may succeed later, and with nothing else."""
    assert ("retry-after", "1") in Problem(OVERLOADED, "").headers
    assert Problem(INVALID_ROWS, "").headers == []
