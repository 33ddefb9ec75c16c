import json

import pytest
from shell import run

from cssr.cli import main


def test_the_command_alone_shows_its_help(tmp_path):
    done = run("cssr", tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: cssr")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("segment nothing", "nothing: no such file or folder"),
        ("segment empty", "empty: no photo"),
        ("segment broken", "no readable photo: broken/a.jpg: not a readable JPEG"),
        ("segment photos/broken.jpg", "photos/broken.jpg: damaged"),
        ("segment photos --model nothing", "nothing: no such"),
        (
            "segment photos --model photos",
            "photos is not a trained model: [Errno 2] No such file",
        ),
        ("segment photos --model old", "old is not a trained model"),
        ("segment photos --threshold 1.5", "1.5 is not in [0, 1]"),
        ("segment photos --threshold nan", "nan is not in [0, 1]"),
        ("segment photos --threshold x", "'x' is not a valid float"),
        ("segment photos --device cuda:99", "cuda:99 is not here"),
        ("segment photos --device abacus", "abacus is not auto, cpu, cuda or cuda:N"),
        ("segment photos --device mps", "mps is not auto, cpu, cuda or cuda:N"),
        ("segment photos --device cpu:3", "cpu:3 is not auto, cpu, cuda or cuda:N"),
        ("segment photos --out /sys/x", "--out: /sys/x"),
        ("segment photos --out model/model.json", "model/model.json is a file, not a folder"),
        ("segment photos --tile 16", "a tile of 16 px is too small"),
        ("segment photos --mm-per-px 0", "0 is not in (0, 1e+06]"),
        ("segment photos --mm-per-px 1e300", "1e+300 is not in (0, 1e+06]"),
        ("segment photos --mm-per-px 1_0", "1_0 is neither a number nor a file"),
        ("segment photos --mm-per-px 0.5mm", "0.5mm is neither a number nor a file"),
        ("segment photos/a.png --mm-per-px mm.csv", "mm.csv: no size of a.png"),
        ("segment photos/a.png --mm-per-px exif", "a.png: no scale: no distance in EXIF"),
        ("segment photos/a.png --width-classes 0.1,0.3", "there is no scale of a.png; give --mm"),
        ("segment photos --width-classes 0.3,0.1", "0.3,0.1: numbers of mm must ascend"),
        ("segment photos --width-classes 0,0.1", "0,0.1: numbers of mm must ascend"),
        ("segment photos --width-classes a", "a: numbers of mm must ascend"),
        ("measure photos/a.png --mm-per-px exif", "exif is neither a number nor a file"),
        ("measure photos/a.png --width-classes 1", "there is no scale of a.png; give --mm-per-px"),
        ("segment photos --tile 0", "0 is not in the range"),
        ("segment photos --out photos", "photos lies in the folder to write, photos"),
        ("segment broken/a.jpg --model model --out bad/worse", "broken/a.jpg: not a readable JPEG"),
        ("measure soft/a.png --out bad/worse", "soft/a.png: it holds only the value 90"),
        ("segment", "Missing argument 'PATHS...'"),
        ("measure nothing", "nothing: no such file or folder"),
        ("export --onnx model.txt", "the name must end in .onnx"),
        ("frobnicate", "No such command 'frobnicate'"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(folder, arguments, message, monkeypatch, capfd):
    (folder / "mm.csv").write_text("photo,mm_per_px\n")
    (folder / "old").mkdir(exist_ok=True)
    old = json.loads((folder / "model/model.json").read_text())
    old["sr"]["layers"] = old["sr"].pop("stages")  # as another version might have called it
    (folder / "old/model.json").write_text(json.dumps(old))
    (folder / "old/weights.safetensors").write_bytes(
        (folder / "model/weights.safetensors").read_bytes()
    )
    if arguments.startswith("segment photos"):
        arguments += "" if "--model" in arguments else " --model model"
        arguments += "" if "--out" in arguments else " --out bad"
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["cssr", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    stderr = capfd.readouterr().err
    assert ended.value.code == 2
    assert message in stderr
    assert stderr.startswith("error: ") or stderr.endswith("; skipped\n")
    assert stderr.count("\n") == 1
    assert not (folder / "bad").exists()


def test_bad_input_ends_the_process_with_exit_code_2(folder):
    done = run("cssr segment nothing --out bad", folder, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: nothing: no such file or folder\n"
