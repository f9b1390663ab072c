"""Each rule judges its own examples right; exemptions and levels do what they say; windows open and close."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gitops.manifests.yaml import read_manifests
from gitops.model.application import PolicyOptions, PolicyScope, Window
from gitops.model.errors import ConfigError
from policies.registry import all_rules, check
from policies.rule import Target
from policies.windows import reason_to_wait

TODAY = date(2026, 6, 1)
RULES = all_rules()
BAD_IMAGE = RULES["pinned-images"].bad


def found(text, options, kubernetes="", path="a.yaml"):
    return check(read_manifests(text.encode(), path), options, Target(kubernetes), TODAY)


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_accepts_its_good_example_and_refuses_its_bad_one_at_the_field(name):
    options = PolicyOptions(enforce=(name,))
    assert found(RULES[name].good, options) == ()
    findings = found(RULES[name].bad, options)
    assert [finding.field for finding in findings] == [RULES[name].field]
    assert findings[0].severity == "error"
    assert str(findings[0]).startswith("a.yaml:1: ")


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("nginx", False),
        ("nginx:latest", False),
        ("nginx:1.27", True),
        ("registry:5000/nginx", False),
        ("nginx@sha256:abc", True),
        ("registry:5000/team/nginx:1", True),
    ],
)
def test_an_image_is_pinned_by_a_tag_or_a_digest(image, pinned):
    text = f'apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec: {{containers: [{{name: c, image: "{image}"}}]}}\n'
    assert (found(text, PolicyOptions(enforce=("pinned-images",))) == ()) is pinned


def test_a_removed_version_counts_for_the_cluster_that_no_longer_serves_it():
    options = PolicyOptions(enforce=("no-removed-apis",))
    bad = RULES["no-removed-apis"].bad
    assert found(bad, options, "1.24") == ()
    assert found(bad, options, "v1.25.3")
    assert found(bad, options, "")


def test_an_exemption_needs_a_day_and_a_reason_and_ends():
    def excused(text):
        annotation = f'metadata: {{name: web, annotations: {{gitops.dev/exempt-pinned-images: "{text}"}}}}'
        return found(BAD_IMAGE.replace("metadata: {name: web}", annotation), PolicyOptions(enforce=("pinned-images",)))

    assert excused("2026-06-01 the vendor has no tags") == ()
    assert "ended on 2026-05-31" in str(excused("2026-05-31 the vendor has no tags"))
    assert "no reason" in str(excused("2026-06-01"))
    assert "no day" in str(excused("because"))


def test_levels_hold_per_path_and_namespace():
    scope = PolicyScope(path="vendor/*", off=("pinned-images",))
    options = PolicyOptions(enforce=("pinned-images",), scopes=(scope,))
    assert found(BAD_IMAGE, options)
    assert found(BAD_IMAGE, options, path="vendor/a.yaml") == ()
    strict = PolicyScope(path="prod/*", enforce=("no-latest-tag",))
    options = PolicyOptions(warn=("no-latest-tag",), scopes=(strict,))
    assert found(BAD_IMAGE, options)[0].severity == "warning"
    assert found(BAD_IMAGE, options, path="prod/a.yaml")[0].severity == "error"


def test_an_unknown_rule_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"no rule pinned \(there are .*pinned-images"):
        found(BAD_IMAGE, PolicyOptions(enforce=("pinned",)))


AMSTERDAM = ZoneInfo("Europe/Amsterdam")
OFFICE = Window("allow", "0 9 * * 1-5", timedelta(hours=8).total_seconds(), "Europe/Amsterdam")


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (datetime(2026, 6, 1, 8, 59, tzinfo=AMSTERDAM), False),  # a Monday
        (datetime(2026, 6, 1, 9, 0, tzinfo=AMSTERDAM), True),
        (datetime(2026, 6, 1, 16, 59, tzinfo=AMSTERDAM), True),
        (datetime(2026, 6, 1, 17, 0, tzinfo=AMSTERDAM), False),
        (datetime(2026, 6, 5, 12, 0, tzinfo=AMSTERDAM), True),  # a Friday
        (datetime(2026, 6, 6, 12, 0, tzinfo=AMSTERDAM), False),  # a Saturday
        (datetime(2026, 6, 7, 12, 0, tzinfo=AMSTERDAM), False),  # a Sunday
        (datetime(2026, 6, 1, 7, 30, tzinfo=UTC), True),
    ],
)
def test_an_allow_window_is_open_from_its_schedule_for_its_duration(moment, is_open):
    assert (reason_to_wait((OFFICE,), moment) == "") is is_open


def test_outside_its_windows_a_sync_is_told_when_the_next_opens():
    reason = reason_to_wait((OFFICE,), datetime(2026, 6, 5, 18, 0, tzinfo=AMSTERDAM))
    assert "the next opens at 2026-06-08T09:00:00+02:00" in reason


def test_a_deny_window_wins_over_an_allow_window():
    lunch = Window("deny", "0 12 * * *", 3600.0, "Europe/Amsterdam")
    noon = datetime(2026, 6, 1, 12, 30, tzinfo=AMSTERDAM)
    assert "denies syncs until 2026-06-01T13:00:00+02:00" in reason_to_wait((OFFICE, lunch), noon)
    assert reason_to_wait((lunch,), noon + timedelta(hours=1)) == ""


@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25)])
def test_a_window_keeps_its_local_time_on_the_days_when_clocks_change(day):
    window = Window("allow", "0 9 * * *", 3600.0, "Europe/Amsterdam")
    at = day.replace(tzinfo=AMSTERDAM)
    assert reason_to_wait((window,), at.replace(hour=9, minute=30)) == ""
    assert reason_to_wait((window,), at.replace(hour=8, minute=30)) != ""
    assert reason_to_wait((window,), at.replace(hour=10, minute=30)) != ""


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (Window("allow", "0 9 * *", 1.0), "expected five fields"),
        (Window("allow", "99 9 * * *", 1.0), "schedule"),
        (Window("allow", "0 9 * * *", 1.0, "Mars/Base"), "timeZone 'Mars/Base' is not known"),
    ],
)
def test_a_window_that_makes_no_sense_is_an_error(window, message):
    with pytest.raises(ConfigError, match=message):
        reason_to_wait((window,), datetime(2026, 6, 1, tzinfo=UTC))
