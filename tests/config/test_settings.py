"""Settings are declared once: names, environment variables and flags follow from the declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.config.configuration import Config
from farebox.config.sections import SECTIONS
from farebox.config.settings import SETTINGS, duration, duration_text, fetch_problem, url_or_file

OTHER_VARIABLES = {
    "FAREBOX_APP", "FAREBOX_CONFIG", "FAREBOX_CUSTOMER", "FAREBOX_DEBUG", "FAREBOX_DETACHED", "FAREBOX_HOME",
    "FAREBOX_HOSTS", "FAREBOX_PROXY", "FAREBOX_PROXY_PASSWORD", "FAREBOX_SESSION", "FAREBOX_TASK",
}  # fmt: skip


def test_every_setting_has_an_environment_variable_and_a_flag_of_its_own() -> None:
    variables = [setting.environment for setting in SETTINGS.values()]
    assert len(set(variables)) == len(variables)
    assert not OTHER_VARIABLES & set(variables)
    flags = [setting.flag for setting in SETTINGS.values()]
    assert len(set(flags)) == len(flags)
    assert not {"--home", "--config", "--detach", "--json", "--help"} & set(flags)
    assert (SETTINGS["prices.every"].environment, SETTINGS["prices.every"].flag) == (
        "FAREBOX_PRICES_EVERY",
        "--prices-every",
    )


def test_every_setting_has_its_place_in_a_configuration() -> None:
    for setting in SETTINGS.values():
        config = Config()
        written = setting.written(config)
        value = setting.of(config) if written is None else setting.parse(written, Path("/"))
        setting.put(config, value)
        assert config == Config(), setting.key


def test_no_section_is_called_like_a_setting() -> None:
    assert not {key.partition(".")[0] for key in SETTINGS} & set(SECTIONS)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("60m", 3600), ("24h", 86400), ("7d", 604800)])
def test_durations_are_a_number_and_a_letter(text: str, seconds: int) -> None:
    assert duration(1, 10**7)(text, Path()) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1h30m", "0h", "1w", "¹h", "9999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration of"):
        duration(1, 10**7)(text, Path())


@pytest.mark.parametrize(("seconds", "text"), [(90, "90s"), (3600, "1h"), (86400, "24h"), (7 * 86400, "7d")])
def test_durations_are_shown_as_people_write_them(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_file_is_found_from_the_folder_of_the_file_that_names_it(tmp_path: Path) -> None:
    assert url_or_file("prices/list.json", tmp_path) == str(tmp_path / "prices/list.json")
    assert url_or_file("https://prices.example.com/a.json", tmp_path) == "https://prices.example.com/a.json"


@pytest.mark.parametrize(
    "url",
    ["http://prices.example.com/", "ftp://127.0.0.1/", "file:///etc/passwd", "https://", "https://h ost/",
     "https://user:password@prices.example.com/", "http://10.0.0.1/"],
)  # fmt: skip
def test_nothing_is_fetched_in_clear_text_or_with_a_password_in_the_address(url: str) -> None:
    assert fetch_problem(url)
    assert fetch_problem("http://127.0.0.1:1/list") is None
