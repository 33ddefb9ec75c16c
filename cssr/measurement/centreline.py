"""Centrelines: the skeleton of one crack as branches between its ends and junctions."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, depth_first_order

from cssr.measurement.bands import Skeleton

SLACK = 1.5  # px, by which a spur or a link may exceed what the widths explain
FREE = -1  # instead of a node, where a branch just ends


class Branch(NamedTuple):
    """A stretch of centreline without junction.

    Attributes:
        points: x, y and width of the crack there, px, (K, 3); the width is NaN at nodes.
        ends: the node beyond the first and the last point, or FREE.
    """

    points: np.ndarray
    ends: tuple[int, int]

    def reverse(self) -> "Branch":
        """The same, run the other way."""
        return Branch(self.points[::-1], self.ends[::-1])


class Network(NamedTuple):
    """The branches of a crack and the nodes where they meet.

    Attributes:
        branches: in no order.
        nodes: x, y and width of the crack at each node, px, (M, 3).
    """

    branches: list[Branch]
    nodes: np.ndarray


def find_branches(skeleton: Skeleton) -> Network:
    """Branches of one crack, without those that are mere details of its outline.

    Args:
        skeleton: its pixels in reading order.
    """
    return _attach(_prune(_merge_near_nodes(_prune(trace(skeleton)))))


def _prune(network: Network) -> Network:
    """Without spurs, and without the nodes that only they made."""
    branches, nodes = _join(network.branches, network.nodes), network.nodes
    while spurs := _spurs(branches, nodes):
        kept = [branch for index, branch in enumerate(branches) if index not in spurs]
        branches = _join(kept, nodes)
    return Network(branches, nodes)


def trace(skeleton: Skeleton) -> Network:
    """Every branch of a skeleton, where touching junction pixels are one node.

    Args:
        skeleton: connected pixels in reading order.
    """
    x, y = (skeleton.column + 0.5) / 2, (skeleton.row + 0.5) / 2
    points = np.stack([x, y, skeleton.width], axis=1)
    first, second = _edges(skeleton)
    is_node = np.bincount(np.concatenate([first, second]), minlength=len(points))
    is_node = is_node > 2 if (is_node != 2).any() else np.arange(len(points)) == 0  # a ring
    within, between = is_node[first] & is_node[second], ~is_node[first] & ~is_node[second]
    label = _components(first[within], second[within], len(points))
    number = np.full(len(points), FREE)
    number[is_node] = np.unique(label[is_node], return_inverse=True)[1]
    touched = _touched_nodes(first, second, number)
    branches = [
        Branch(points[path], _ends(path, touched))
        for path in _paths(first[between], second[between], ~is_node)
    ]
    return Network(branches, _merged(points[is_node], number[is_node]))


def _edges(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of neighbours; diagonal ones only where no third pixel joins them."""
    stride = int(skeleton.column.max()) + 2
    key = skeleton.row * stride + skeleton.column

    def find(offset: int) -> tuple[np.ndarray, np.ndarray]:
        at = np.searchsorted(key, key + offset).clip(max=len(key) - 1)
        return at, key[at] == key + offset

    (right, has_right), (below, has_below) = find(1), find(stride)
    (ahead, has_ahead), (behind, has_behind) = find(stride + 1), find(stride - 1)
    has_ahead &= ~has_right & ~has_below
    has_behind &= ~find(-1)[1] & ~has_below
    pairs = ((right, has_right), (below, has_below), (ahead, has_ahead), (behind, has_behind))
    return (
        np.concatenate([np.flatnonzero(has) for _, has in pairs]),
        np.concatenate([at[has] for at, has in pairs]),
    )


def _graph(first: np.ndarray, second: np.ndarray, size: int) -> csr_array:
    return coo_array((np.ones(len(first)), (first, second)), shape=(size, size)).tocsr()


def _components(first: np.ndarray, second: np.ndarray, size: int) -> np.ndarray:
    return connected_components(_graph(first, second, size), directed=False)[1]


def _paths(first: np.ndarray, second: np.ndarray, chosen: np.ndarray) -> list[np.ndarray]:
    """The chosen pixels, of which none has more than two edges, as paths from end to end."""
    size = len(chosen)
    label = _components(first, second, size)
    degree = np.bincount(np.concatenate([first, second]), minlength=size)
    tips = np.flatnonzero(chosen & (degree < 2))
    tips = tips[np.argsort(label[tips], kind="stable")]
    starts = tips[np.unique(label[tips], return_index=True)[1]]
    stops = tips[::-1][np.unique(label[tips[::-1]], return_index=True)[1]]
    # one long path through all of them, so that a single search finds the order
    chain = [first, second, stops[:-1]], [second, first, starts[1:]]
    graph = _graph(*map(np.concatenate, chain), size)
    order = depth_first_order(graph, starts[0], return_predecessors=False)
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _touched_nodes(
    first: np.ndarray, second: np.ndarray, number: np.ndarray
) -> dict[int, list[int]]:
    """Numbers of the nodes beside each pixel that is none itself."""
    touched = defaultdict(list)
    for a, b in ((first, second), (second, first)):
        links = (number[a] == FREE) & (number[b] != FREE)
        for pixel, node in zip(a[links].tolist(), number[b[links]].tolist(), strict=True):
            touched[pixel].append(node)
    return touched


def _ends(path: np.ndarray, touched: dict[int, list[int]]) -> tuple[int, int]:
    """The nodes beside the two ends of a path."""
    ends = [*dict.fromkeys((int(path[0]), int(path[-1])))]
    nodes = [[*touched.get(end, []), FREE, FREE] for end in ends]
    return (nodes[0][0], nodes[1][0]) if len(ends) == 2 else (nodes[0][0], nodes[0][1])


def _merged(points: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Mean position of the points of each number, and a width that covers theirs, (M, 3)."""
    count = np.bincount(number)
    centre = np.stack([np.bincount(number, weights=axis) / count for axis in points[:, :2].T], 1)
    away = np.hypot(*(points[:, :2] - centre[number]).T)
    width = np.zeros(len(count))
    np.maximum.at(width, number, points[:, 2] + away)
    return np.concatenate([centre, width[:, None]], axis=1)


def _merge_near_nodes(network: Network) -> Network:
    """One node instead of those whose inscribed discs overlap, without the branches between."""
    nodes, far, near = network.nodes, [], []
    for branch in network.branches:
        (near if _is_link(branch, nodes) else far).append(branch)
    pairs = np.array([branch.ends for branch in near], int).reshape(-1, 2)
    number = _components(*pairs.T, len(nodes))
    ends = [tuple(end if end == FREE else int(number[end]) for end in b.ends) for b in far]
    branches = [Branch(b.points, end) for b, end in zip(far, ends, strict=True)]
    return Network(branches, _merged(nodes, number))


def _is_link(branch: Branch, nodes: np.ndarray) -> bool:
    """Whether a branch lies within the discs of its two nodes, or loops about a mere hole."""
    if FREE in branch.ends:
        return False
    limit = 1.75 * nodes[list(branch.ends), 2].mean() + SLACK
    loops = branch.ends[0] == branch.ends[1]
    return path_length(branch.points) <= limit * (2 if loops else 1)


def path_length(points: np.ndarray) -> float:
    """Length of a polyline, (K, 2 or more), in its unit."""
    return float(np.hypot(*np.diff(points[:, :2], axis=0).T).sum())


def tail_size(points: np.ndarray) -> int:
    """Number of points at the start that are within reach of a butt end's corner.

    A skeleton may run into a corner, whose distance from the middle is the half width times √2.
    """
    away = np.hypot(*(points[:, :2] - points[0, :2]).T)
    outside = away > np.nan_to_num(points[:, 2], nan=np.inf) * np.sqrt(0.5) + 1
    return int(outside.argmax()) if outside.any() else len(points)


def _meetings(branches: list[Branch]) -> dict[int, list[int]]:
    """Indices of the branches at each node; a loop's twice."""
    met = defaultdict(list)
    for index, branch in enumerate(branches):
        for end in branch.ends:
            if end != FREE:
                met[end].append(index)
    return met


def _spurs(branches: list[Branch], nodes: np.ndarray) -> set[int]:
    """The shortest branch of each junction, if it hardly leaves the junction's disc."""
    found = set()
    for node, met in _meetings(branches).items():
        reach = {i: _reach(branches[i], nodes[node]) for i in met if FREE in branches[i].ends}
        shortest = min(reach, key=reach.get, default=None)
        if len(met) > 2 and reach and _is_spur(branches[shortest], nodes[node], reach[shortest]):
            found.add(shortest)
    return found


def _is_spur(branch: Branch, node: np.ndarray, reach: float) -> bool:
    """Whether a branch ends near the disc of its node, or has nothing but its tail."""
    tail_first = branch if branch.ends[0] == FREE else branch.reverse()
    small = tail_size(tail_first.points) > len(branch.points) - 2
    return small or reach <= 0.75 * node[2] + SLACK


def _reach(branch: Branch, node: np.ndarray) -> float:
    """Distance from a node to the crack's outline at the free end of a branch, px."""
    x, y, width = branch.points[0 if branch.ends[0] == FREE else -1]
    return np.hypot(x - node[0], y - node[1]) + width / 2


def _join(branches: list[Branch], nodes: np.ndarray) -> list[Branch]:
    """One branch instead of two wherever only two meet."""
    joined, moved = dict(enumerate(branches)), list(range(len(branches)))
    for node, met in _meetings(branches).items():
        if len(met) != 2:
            continue
        one, other = (_resolve(moved, index) for index in met)
        if one != other:
            joined[one] = _concatenate(joined[one], joined.pop(other), node, nodes[node])
            moved[other] = one
    return list(joined.values())


def _resolve(moved: list[int], index: int) -> int:
    while moved[index] != index:
        index = moved[index]
    return index


def _concatenate(one: Branch, other: Branch, node: int, point: np.ndarray) -> Branch:
    one = one if one.ends[1] == node else one.reverse()
    other = other if other.ends[0] == node else other.reverse()
    middle = [[point[0], point[1], np.nan]]
    return Branch(np.concatenate([one.points, middle, other.points]), (one.ends[0], other.ends[1]))


def _attach(network: Network) -> Network:
    """The same, nodes as points of their branches; one that has a single branch is its end."""
    branches, met = [], _meetings(network.branches)
    for branch in network.branches:
        parts, ends = [branch.points], list(branch.ends)
        for side, node in enumerate(branch.ends):
            if node != FREE:
                x, y, width = network.nodes[node]
                single = len(met[node]) == 1
                ends[side] = FREE if single else node
                parts.insert(side * len(parts), np.array([[x, y, width if single else np.nan]]))
        branches.append(Branch(np.concatenate(parts), (ends[0], ends[1])))
    return Network(branches, network.nodes)
