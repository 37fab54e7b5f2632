import io
import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rollout.store import read_groups, write_groups
from tests.runs import with_text
from trainer.view.terminal import sparkline, watch


@pytest.fixture
def maker(made_run, tmp_path):
    return made_run.copied(tmp_path)


def printed(folder):
    out = io.StringIO()
    watch(folder, Console(file=out, width=140))
    return out.getvalue()


def test_it_shows_curves_and_the_newest_episodes(maker):
    shown = printed(maker.folder)
    assert "made: smollm2-135m-instruct, round 3 of 40, 78 episodes, 1 not judged" in shown
    assert re.search(r"reward +0\.\d+ +[▁▂▃▄▅▆▇█]{3} +[\d.]+", shown)
    assert re.search(r"errors raised +0 +▁█▁ +0", shown)
    assert shown.count("round 2") == 12


def test_hostile_text_neither_steers_the_terminal_nor_is_markup(maker):
    path = maker.folder / "trajectories" / "step-00002.parquet"
    groups = read_groups(path)
    write_groups(path, [with_text(groups[0], "\x1b[2J[bold]owned[/bold]\nnext"), *groups[1:]])
    shown = printed(maker.folder)
    assert "\x1b" not in shown
    assert "[2J[bold]owned[/bold] next" in shown


def test_a_live_run_is_followed_until_it_is_finished(maker, monkeypatch):
    monkeypatch.setattr("trainer.view.terminal._EVERY", 0.05)

    out, deadline = io.StringIO(), time.monotonic() + 60

    def go_on():
        while "round 3 of 40" not in out.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
        maker.step(3, 0.9)
        maker.finish()

    worker = threading.Thread(target=go_on)
    worker.start()
    watch(maker.folder, Console(file=out, width=140, force_terminal=True))
    worker.join()
    assert "finished" in out.getvalue()
    assert "round 3 of 40" in out.getvalue()


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=200), st.integers(1, 60))
def test_a_sparkline_never_grows_beyond_its_width(values, width):
    drawn = sparkline(values, width)
    assert len(drawn) <= width
    assert set(drawn) <= set(" ▁▂▃▄▅▆▇█")


def test_bars_rise_with_the_values_and_gaps_stay_gaps():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, None, 1]) == "▁ █"
    assert sparkline([5, 5]) == "▄▄"
    assert sparkline([0, 0, 1, 1], 2) == "▁█"
    assert sparkline([None]) == ""
