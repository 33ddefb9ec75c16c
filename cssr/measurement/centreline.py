"""Centrelines: the skeleton of one crack as branches between its ends and junctions."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cssr.measurement.strips import Skeleton

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
    edges = _edges(skeleton)
    degree = np.bincount(edges.ravel(), minlength=len(points))
    is_ring = (degree == 2).all()  # any pixel of a ring does as its node
    is_node = np.arange(len(points)) == 0 if is_ring else degree > 2
    label = _components(edges[:, is_node[edges].all(axis=0)], len(points))
    number = np.full(len(points), FREE)
    number[is_node] = np.unique(label[is_node], return_inverse=True)[1]
    adjacent = _adjacent_nodes(edges, number)
    paths = _paths(edges[:, ~is_node[edges].any(axis=0)], ~is_node)
    branches = [Branch(points[path], _ends(path, adjacent)) for path in paths]
    return Network(branches, _merge_points(points[is_node], number[is_node]))


def _edges(skeleton: Skeleton) -> np.ndarray:
    """Pairs of neighbours, (2, E); diagonal ones only where no third pixel joins them."""
    stride = int(skeleton.column.max()) + 2
    key = skeleton.row * stride + skeleton.column

    def find(offset: int) -> tuple[np.ndarray, np.ndarray]:
        """Index of each pixel's neighbour at an offset, and whether there is one."""
        index = np.searchsorted(key, key + offset).clip(max=len(key) - 1)
        return index, key[index] == key + offset

    found = [find(1), find(stride), find(stride + 1), find(stride - 1)]
    right, below, below_right, below_left = (has for _, has in found)
    below_right &= ~right & ~below  # in place, in what was found
    below_left &= ~find(-1)[1] & ~below
    return np.concatenate([(np.flatnonzero(has), index[has]) for index, has in found], axis=1)


def _components(edges: np.ndarray, size: int) -> np.ndarray:
    if not edges.size:
        return np.arange(size)
    graph = coo_array((np.ones(edges.shape[1]), tuple(edges)), shape=(size, size))
    return connected_components(graph, directed=False)[1]


def _paths(edges: np.ndarray, chosen: np.ndarray) -> list[list[int]]:
    """The chosen pixels, of which none has more than two edges, as paths from end to end."""
    beside = {pixel: [] for pixel in np.flatnonzero(chosen).tolist()}
    for one, other in edges.T.tolist():
        beside[one].append(other)
        beside[other].append(one)
    paths, seen = [], set()
    for tip in beside:
        if len(beside[tip]) > 1 or tip in seen:
            continue
        path, ahead = [], [tip]
        while ahead:
            path.append(ahead[0])
            seen.add(ahead[0])
            ahead = [pixel for pixel in beside[ahead[0]] if pixel not in seen]
        paths.append(path)
    return sorted(paths, key=min)


def _adjacent_nodes(edges: np.ndarray, number: np.ndarray) -> dict[int, list[int]]:
    """Numbers of the nodes beside each pixel that belongs to none."""
    adjacent = defaultdict(list)
    pixels, neighbours = np.concatenate([edges, edges[::-1]], axis=1)
    links = (number[pixels] == FREE) & (number[neighbours] != FREE)
    nodes = number[neighbours[links]]
    for pixel, node in zip(pixels[links].tolist(), nodes.tolist(), strict=True):
        adjacent[pixel].append(node)
    return adjacent


def _ends(path: list[int], adjacent: dict[int, list[int]]) -> tuple[int, int]:
    """The nodes beside the two ends of a path; a path of one pixel may have two."""
    first, last = ([*adjacent.get(end, []), FREE, FREE] for end in (path[0], path[-1]))
    return first[0], last[1 if len(path) == 1 else 0]


def _merge_points(points: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Mean position of the points of each number, and a width that covers theirs, (M, 3)."""
    count = np.bincount(number)
    centre = np.stack([np.bincount(number, weights=axis) / count for axis in points[:, :2].T], 1)
    distance = np.hypot(*(points[:, :2] - centre[number]).T)
    width = np.zeros(len(count))
    np.maximum.at(width, number, points[:, 2] + distance)
    return np.concatenate([centre, width[:, None]], axis=1)


def _merge_near_nodes(network: Network) -> Network:
    """One node instead of those whose inscribed discs overlap, without the branches between."""
    nodes = network.nodes
    links, kept = [], []
    for branch in network.branches:
        (links if _is_link(branch, nodes) else kept).append(branch)
    edges = np.array([branch.ends for branch in links], int).reshape(-1, 2).T
    number = np.append(_components(edges, len(nodes)), FREE)  # number[FREE] is FREE
    branches = [Branch(b.points, tuple(number[list(b.ends)].tolist())) for b in kept]
    return Network(branches, _merge_points(nodes, number[:-1]))


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
    """Number of points at the start that may lead to the corner of a blunt end.

    A skeleton may run into a corner, whose distance from the middle is half the width times √2.
    """
    distance = np.hypot(*(points[:, :2] - points[0, :2]).T)
    outside = distance > points[:, 2] * np.sqrt(0.5) + 1  # never, where the width is not known
    return int(outside.argmax()) if outside.any() else len(points)


def _incident_branches(branches: list[Branch]) -> dict[int, list[int]]:
    """Indices of the branches at each node; a loop's twice."""
    incident = defaultdict(list)
    for index, branch in enumerate(branches):
        for end in branch.ends:
            if end != FREE:
                incident[end].append(index)
    return incident


def _spurs(branches: list[Branch], nodes: np.ndarray) -> set[int]:
    """The shortest branch of each junction, if it hardly leaves the junction's disc."""
    found = set()
    for node, incident in _incident_branches(branches).items():
        free = [index for index in incident if FREE in branches[index].ends]
        if len(incident) > 2 and free:
            extents = [_extent(branches[index], nodes[node]) for index in free]
            shortest = free[int(np.argmin(extents))]
            if _is_spur(branches[shortest], nodes[node]):
                found.add(shortest)
    return found


def _is_spur(branch: Branch, node: np.ndarray) -> bool:
    """Whether a branch ends near the disc of its node, or has nothing but its tail."""
    tail_first = branch if branch.ends[0] == FREE else branch.reverse()
    small = tail_size(tail_first.points) > len(branch.points) - 2
    return small or _extent(branch, node) <= 0.75 * node[2] + SLACK


def _extent(branch: Branch, node: np.ndarray) -> float:
    """Distance from a node to the crack's outline at the free end of a branch, px."""
    x, y, width = branch.points[0 if branch.ends[0] == FREE else -1]
    return np.hypot(x - node[0], y - node[1]) + width / 2


def _join(branches: list[Branch], nodes: np.ndarray) -> list[Branch]:
    """One branch instead of two wherever only two meet."""
    joined = dict(enumerate(branches))
    moved = list(range(len(branches)))
    for node, incident in _incident_branches(branches).items():
        if len(incident) != 2:
            continue
        one, other = (_resolve(moved, index) for index in incident)
        if one != other:
            joined[one] = _concatenate(joined[one], joined.pop(other), node, nodes[node])
            moved[other] = one
    return list(joined.values())


def _resolve(moved: list[int], index: int) -> int:
    """Index of the branch that a branch is part of now."""
    while moved[index] != index:
        index = moved[index]
    return index


def _concatenate(one: Branch, other: Branch, node: int, point: np.ndarray) -> Branch:
    one = one if one.ends[1] == node else one.reverse()
    other = other if other.ends[0] == node else other.reverse()
    middle = [[point[0], point[1], np.nan]]
    return Branch(np.concatenate([one.points, middle, other.points]), (one.ends[0], other.ends[1]))


def _attach(network: Network) -> Network:
    """Nodes become points of their branches; the node of a single branch becomes its end."""
    branches = []
    incident = _incident_branches(network.branches)
    for branch in network.branches:
        parts = [branch.points]
        ends = list(branch.ends)
        for side, node in enumerate(branch.ends):
            if node != FREE:
                x, y, width = network.nodes[node]
                single = len(incident[node]) == 1
                ends[side] = FREE if single else node
                parts.insert(side * len(parts), np.array([[x, y, width if single else np.nan]]))
        branches.append(Branch(np.concatenate(parts), (ends[0], ends[1])))
    return Network(branches, network.nodes)
