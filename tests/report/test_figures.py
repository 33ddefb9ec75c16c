import pandas as pd
import pytest

from cssr.report.figures import FIGURES


def numbers(rendered, name):
    return pd.read_csv(rendered / f"reports/{name}.csv", index_col=0)


@pytest.mark.parametrize(("name", "metric"), [("fig3", "psnr"), ("fig4", "aiu")])
def test_figs_3_and_4_show_a_metric_of_the_test_images_over_beta(rendered, results, name, metric):
    shown = numbers(rendered, name).rename_axis("beta").stack().to_dict()
    expected = {(beta, loss): r.test[metric] for (loss, beta), r in results.sweep.items()}
    assert shown == pytest.approx(expected, abs=1e-6)


def test_fig5_shows_each_loss_at_the_beta_that_validation_prefers(results, tmp_path):
    results.sweep["bc2", 0.1].val["aiu"] = 0.9
    results.sweep["dice", 0.5].val["aiu"] = 0.9
    FIGURES["fig5"].write(tmp_path / "fig5", results, "preset: demo")
    shown = pd.read_csv(tmp_path / "fig5.csv")
    for loss, beta in {"dice": 0.5, "bc2": 0.1}.items():
        expected = results.sweep[loss, beta].curve["iou"]
        assert shown[loss].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_fig6_shows_each_model(rendered, models):
    shown = numbers(rendered, "fig6")
    assert list(shown) == list(models)
    expected = models["cssr"].curve["iou"]
    assert shown["cssr"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def legend_of_fig6(results, folder, monkeypatch) -> list[str]:
    shown = {}
    monkeypatch.setattr("cssr.report.figures.save", lambda figure, file: shown.update(f=figure))
    FIGURES["fig6"].write(folder / "fig6", results, "preset: demo")
    return shown["f"].axes[0].get_legend_handles_labels()[1]


def test_the_legend_has_the_numbers_of_table_1(results, tmp_path, monkeypatch):
    labels = legend_of_fig6(results, tmp_path, monkeypatch)
    assert labels[0] == "(a) SS in HR\nmax 0.580 at 0.57, AIU 0.553"


def test_of_several_seeds_the_legend_says_that_the_maximum_is_a_mean(
    of_three_seeds, tmp_path, monkeypatch
):
    labels = legend_of_fig6(of_three_seeds, tmp_path, monkeypatch)
    mean = of_three_seeds.models["ss_hr"].test["iou_max"]
    assert f"\nmean of maxima {mean:.3f} at " in labels[0]


def test_several_seeds_add_bands_and_marks(of_three_seeds, tmp_path):
    for name, line in {"fig4": "bc2", "fig6": "cssr"}.items():
        FIGURES[name].write(tmp_path / name, of_three_seeds, "preset: demo")
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert (table[f"{line}_low"] < table[line]).all()
        assert (table[line] < table[f"{line}_high"]).all()
