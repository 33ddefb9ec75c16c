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
