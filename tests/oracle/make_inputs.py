"""Inputs for oracle.json: numpy only, all random numbers from np.random.default_rng(seed).random.

losses():  {name: (pred, target)}  float32 arrays of shape (1,1,32,32)
iou():     (pred, target)          float32 arrays of shape (3,1,32,32)
psnr():    {name: (sr, hr)}        float32 arrays of shape (1,3,32,32)
fingerprint(a): numbers by which a map of shape (...,32,32) is recorded
"""

import hashlib

import numpy as np

S = 32


def _crack(u):
    """one-pixel-wide left-to-right walk; u: 33 uniforms"""
    t = np.zeros((S, S))
    y = 8 + int(u[0] * 16)
    for x in range(S):
        t[y, x] = 1
        y = min(S - 2, max(1, y + int(u[x + 1] * 3) - 1))
    return t


def losses():
    y, x = np.mgrid[:S, :S]
    out = {}
    # 1. seed 101: three-pixel diagonal band, uniform random prediction
    r = np.random.default_rng(101)
    out["band3"] = (r.random((S, S)), (np.abs(x - y + 3) <= 1) * 1.0)
    # 2. seed 102: no crack at all
    r = np.random.default_rng(102)
    out["all_zero"] = (0.3 * r.random((S, S)), np.zeros((S, S)))
    # 3. seed 103: one-pixel crack; prediction is the crack one row lower plus noise
    r = np.random.default_rng(103)
    t = _crack(r.random(S + 1))
    out["crack1px"] = (0.1 * r.random((S, S)) + 0.6 * np.roll(t, 1, axis=0) + 0.25 * t, t)
    # 4. seed 104: a block on the image border, a one-pixel island; prediction has 0, 1 and 1e-9
    r = np.random.default_rng(104)
    t = np.zeros((S, S))
    t[0:9, 20:32] = 1
    t[24, 5] = 1
    p = r.random((S, S))
    p[p < 0.2] = 0
    p[p > 0.8] = 1
    p[(p > 0.2) & (p < 0.25)] = 1e-9
    out["saturated"] = (p, t)
    # extra 5. seed 105: soft target as left by a bilinear crop (0, .25, .75, 254/255, 1)
    r = np.random.default_rng(105)
    t = np.zeros((S, S))
    t[10:16] = np.array([0.25, 0.75, 1, 1, 254 / 255, 0.25])[:, None]
    out["soft_target"] = (r.random((S, S)), t)
    # extra 6. seed 106: every pixel is crack
    r = np.random.default_rng(106)
    out["all_one"] = (r.random((S, S)), np.ones((S, S)))
    return {k: tuple(a.astype(np.float32)[None, None] for a in v) for k, v in out.items()}


def iou():
    r = np.random.default_rng(201)
    t = _crack(r.random(S + 1))
    wide = np.maximum.reduce([np.roll(t, k, 0) for k in (-1, 0, 1)])
    p0 = 0.35 * r.random((S, S)) + 0.6 * wide * r.random((S, S))
    k = (r.random((S, S)) * 101).astype(int)  # 0..100: exactly on the thresholds
    p1 = np.array([i * 0.01 for i in range(101)])[k]
    p2 = 0.2 * r.random((S, S))  # image without crack
    return (
        np.stack([p0, p1, p2]).astype(np.float32)[:, None],
        np.stack([t, wide, np.zeros((S, S))]).astype(np.float32)[:, None],
    )


def psnr():
    r = np.random.default_rng(301)
    hr = r.random((3, S, S))
    n = r.random((3, S, S)) - 0.5
    d = {
        "noise": (np.clip(hr + 0.1 * n, 0, 1), hr),
        "far": (r.random((3, S, S)), hr),
        "unclipped": (hr + 0.6 * n, hr),
        "identical": (hr, hr),
    }
    return {k: tuple(a.astype(np.float32)[None] for a in v) for k, v in d.items()}


RAMP = (np.arange(S * S, dtype=np.float64).reshape(S, S) + 1) / (S * S)


def fingerprint(a):
    a = np.asarray(a, np.float64)
    return {
        "sum": float(a.sum()),
        "abs_sum": float(np.abs(a).sum()),
        "ramp": float((a * RAMP).sum()),
        "min": float(a.min()),
        "max": float(a.max()),
    }


def sha(a):
    return hashlib.sha256(np.ascontiguousarray(a, "<f4").tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    for k, (p, t) in losses().items():
        print(k, sha(p), sha(t), p.shape, float(t.sum()))
