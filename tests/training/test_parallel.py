import pytest
import torch

from cssr.training.parallel import Alone, launch


def test_one_device_is_a_single_process():
    processes = launch(1, torch.device("cpu"))
    assert isinstance(processes, Alone)
    assert (processes.global_rank, processes.world_size) == (0, 1)


def test_more_gpus_than_there_are_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="2 is more than the CUDA devices here"):
        launch(2, torch.device("cuda"))


def test_one_gpu_is_not_for_several_processes():
    with pytest.raises(ValueError, match=r"2 is not for one GPU \(cuda:1\); device: cuda is"):
        launch(2, torch.device("cuda:1"))
