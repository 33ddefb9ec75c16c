import shutil

import pytest
import torch
from networks import CPU, budget, losses_of, pipeline, striped_arrays, train
from torch.utils._python_dispatch import TorchDispatchMode

from cssr.data.arrays import Arrays
from cssr.models.variants import VARIANTS
from cssr.training.batches import draw_batches, make_batch
from cssr.training.guards import NotFiniteError
from cssr.training.loop import Monitor, StoppedError
from cssr.training.parallel import Alone
from cssr.training.state import write_logs
from cssr.training.step import Adam, prepare_networks, train_step


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return striped_arrays()


def assert_same(model: torch.nn.Module, other: torch.nn.Module) -> None:
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def without_speed(rows: list[dict]) -> list[dict]:
    return [{name: row[name] for name in row if name != "images_per_second"} for row in rows]


@pytest.mark.parametrize("variant", VARIANTS)
def test_exactly_what_a_variant_trains_changes(variant, arrays, tmp_path):
    before = pipeline(variant).state_dict()
    after = train(variant, arrays, tmp_path)[0].state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(VARIANTS[variant].trained)


def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(arrays, tmp_path):
    class InterruptedError(Exception):
        pass

    def interrupt(row: dict) -> None:
        if row["iteration"] == 5:
            raise InterruptedError

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, rows = train("cssr", arrays, tmp_path / "a", log_every=5)
    with pytest.raises(InterruptedError):
        train("cssr", arrays, tmp_path / "b", monitor=Monitor(interrupt), log_every=5)
    done = []
    monitor = Monitor(progress=lambda k, row: done.append(k))
    resumed, again = train("cssr", arrays, tmp_path / "b", log_every=5, monitor=monitor)
    assert done == [5, 6]
    assert_same(whole, resumed)
    assert without_speed(rows) == without_speed(again)


def test_a_training_that_is_asked_to_stop_saves_its_state_and_goes_on_from_there(arrays, tmp_path):
    (tmp_path / "a").mkdir()
    whole, rows = train("cssr", arrays, tmp_path / "a")
    asked = iter([False, False, True])
    with pytest.raises(StoppedError, match="after iteration 3 of 6"):
        train(
            "cssr",
            arrays,
            tmp_path / "b",
            monitor=Monitor(stop_asked=lambda: next(asked)),
            checkpoint_every=100,
        )
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["checkpoint-0000000003.pt"]
    resumed, again = train("cssr", arrays, tmp_path / "b", checkpoint_every=100)
    assert_same(whole, resumed)
    assert without_speed(rows) == without_speed(again)


@pytest.mark.parametrize(
    "answers",
    [[False, True], [False, False, False, True]],
    ids=["before it", "at its second batch"],
)
def test_a_training_that_is_stopped_validates_on_resuming(answers, arrays, tmp_path):
    whole = train("cssr", arrays, tmp_path / "a", validate_every=2)
    asked, logged = iter(answers), []
    monitor = Monitor(lambda row: logged.append(row["iteration"]))
    monitor.stop_asked = lambda: next(asked)
    with pytest.raises(StoppedError, match="after iteration 2"):
        train("cssr", arrays, tmp_path / "b", monitor=monitor, validate_every=2)
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["checkpoint-0000000002.pt"]
    assert logged == []
    monitor.stop_asked = lambda: False
    resumed = train("cssr", arrays, tmp_path / "b", monitor=monitor, validate_every=2)
    assert logged == [2, 3, 4, 6]
    assert_same(whole[0], resumed[0])
    write_logs(tmp_path / "a", whole[1])
    write_logs(tmp_path / "b", resumed[1])
    for name in ("log.csv", "validation.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_training_that_is_done_is_done_once(arrays, tmp_path):
    whole, rows = train("ss_hr", arrays, tmp_path)
    told = []
    monitor = Monitor(progress=lambda done, row: told.append(done))
    again = train("ss_hr", arrays, tmp_path, monitor=monitor)
    assert told == []
    assert_same(whole, again[0])
    assert rows == again[1]


def test_a_loss_that_is_not_finite_stops_before_the_next_checkpoint(arrays, tmp_path):
    model, done = pipeline("ss_hr"), []

    def spoil(iteration: int, row: dict) -> None:
        done.append(iteration)
        if iteration == 3:
            with torch.no_grad():
                model.ss.last[-1].bias.fill_(torch.nan)

    with pytest.raises(NotFiniteError, match="the loss is not finite at iteration 4: loss nan"):
        train("ss_hr", arrays, tmp_path, model=model, monitor=Monitor(progress=spoil), log_every=9)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint-0000000002.pt"]
    assert done == [1, 2, 3]


def test_weights_that_are_not_finite_are_not_saved(arrays, tmp_path, monkeypatch, tried):
    model, step = pipeline("ss_hr"), Adam.step

    def spoil(optimiser, *given):
        step(optimiser, *given)
        if optimiser.state[model.ss.last[-1].bias]["step"] == 4:
            with torch.no_grad():
                model.ss.last[-1].bias.fill_(torch.inf)

    monkeypatch.setattr(Adam, "step", spoil)
    with pytest.raises(NotFiniteError, match=r"the weights are not finite at iteration 4: loss 0"):
        train("ss_hr", arrays, tmp_path, model=model, log_every=100)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint-0000000002.pt"]
    tried("weights not finite", 1, "stopped before the checkpoint")


def test_moments_that_are_not_finite_are_not_saved(arrays, tmp_path, monkeypatch, tried):
    model, step = pipeline("ss_hr"), Adam.step

    def spoil(optimiser, *given):
        step(optimiser, *given)
        moments = optimiser.state[model.ss.last[-1].bias]
        if moments["step"] == 4:
            moments["exp_avg_sq"].fill_(torch.inf)  # from now on this weight would not move

    monkeypatch.setattr(Adam, "step", spoil)
    with pytest.raises(NotFiniteError, match=r"the optimiser's moments are not finite at iter.* 4"):
        train("ss_hr", arrays, tmp_path, model=model, log_every=100)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint-0000000002.pt"]
    tried("moments of the optimiser not finite", 1, "stopped before the checkpoint")


def test_all_black_predictions_are_warned_about_once(arrays, tmp_path, caplog):
    model = pipeline("ss_hr")
    with torch.no_grad():
        model.ss.last[-1].bias.fill_(-12.0)
    train(
        "ss_hr",
        arrays,
        tmp_path,
        model=model,
        log_every=1,
        iterations=9,
        learning_rate=1e-6,
    )
    assert caplog.text.count("predicts all black") == 1
    assert "since iteration 1 the mean crack probability is below 0.001" in caplog.text


@pytest.mark.parametrize("variant", VARIANTS)
def test_deterministic_algorithms_are_there_for_each_variant(
    variant, arrays, tmp_path, deterministic
):
    found = [train(variant, arrays, tmp_path / name)[0].state_dict() for name in ("a", "b")]
    assert torch.are_deterministic_algorithms_enabled()
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_rows_before_a_resumption_are_logged_again(arrays, tmp_path):
    train("ss_hr", arrays, tmp_path, log_every=1)
    seen = []
    monitor = Monitor(lambda row: seen.append(row["iteration"]))
    train("ss_hr", arrays, tmp_path, monitor=monitor, log_every=1)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_progress_is_told_each_iteration_once_also_after_a_resumption(arrays, tmp_path):
    told, answers = [], iter([False, False, True])
    monitor = Monitor(progress=lambda done, row: told.append((done, bool(row))))
    monitor.stop_asked = lambda: next(answers)
    with pytest.raises(StoppedError, match="after iteration 3"):
        train("ss_hr", arrays, tmp_path, monitor=monitor)
    monitor.stop_asked = lambda: False
    train("ss_hr", arrays, tmp_path, monitor=monitor)
    assert told == [(1, False), (2, False), (3, True), (4, False), (5, False), (6, True)]


def test_the_log_has_losses_validation_and_speed(arrays, tmp_path):
    rows = train("cssr", arrays, tmp_path)[1]
    assert [row["iteration"] for row in rows] == [3, 6]
    logged = {"loss", "l1", "ss", "probability", "learning_rate", "images_per_second"}
    assert logged <= rows[0].keys()
    assert {"val_psnr", "val_aiu"} <= rows[1].keys()


class Waits(TorchDispatchMode):
    """Counts the numbers that are read out of tensors; a GPU would be waited for."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.count += operation.name() == "aten::_local_scalar_dense"
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("variant", VARIANTS)
def test_numbers_are_waited_for_where_they_are_logged_alone(variant, arrays, tmp_path):
    def waits(iterations):
        every = {"log_every": iterations, "checkpoint_every": iterations}
        with Waits() as seen:
            folder = tmp_path / str(iterations)
            train(
                variant, arrays, folder, iterations=iterations, validate_every=iterations, **every
            )
        return seen.count

    assert waits(3) == waits(6) > 0


def test_bfloat16_training_stays_near_float32(arrays, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    full, full_rows = train("cssr", arrays, tmp_path / "a")
    half, half_rows = train("cssr", arrays, tmp_path / "b", precision="bfloat16")
    assert full_rows[-1]["loss"] == pytest.approx(half_rows[-1]["loss"], rel=0.05)
    pairs = zip(full.parameters(), half.parameters(), strict=True)
    assert any(not torch.equal(*pair) for pair in pairs)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_networks_train_as_the_others_do(arrays, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    eager, rows = train("cssr", arrays, tmp_path / "a")
    torch.compiler.reset()
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    compiled, compiled_rows = train("cssr", arrays, tmp_path / "b", compile=True)
    assert graphs["unique_graphs"] == before + 2  # SR and SS, and none for validation
    assert compiled.sr._compiled_call_impl is not None
    assert compiled_rows[-1]["loss"] == pytest.approx(rows[-1]["loss"], rel=1e-3)
    assert compiled.state_dict().keys() == eager.state_dict().keys()


@pytest.mark.parametrize(
    "changes",
    [{"micro_batch": 1}, {"micro_batch": 3}, {"recompute": True}],
    ids=["one image at a time", "parts of different sizes", "recomputed activations"],
)
@pytest.mark.parametrize("variant", ["cssr", "inverse"])
def test_less_memory_gives_the_same_gradients(variant, arrays, changes):
    batch = make_batch(
        next(draw_batches(arrays, range(1), batch_size=4, seed=0, device=CPU)),
        scale=4,
        phi="normalised",
    )
    found = []
    for options in ({"micro_batch": 4}, changes):
        budgeted = budget(batch_size=4, **{"micro_batch": 4, **options})
        model = pipeline(variant).to(memory_format=torch.channels_last)
        prepare_networks(model, compile=False, recompute=budgeted.recompute)
        train_step(
            losses_of(model),
            batch,
            0,
            torch.optim.SGD(model.parameters(), lr=0.0),
            train=budgeted,
            processes=Alone(CPU),
        )
        found.append([parameter.grad for parameter in model.parameters()])
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
