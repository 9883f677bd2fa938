"""What every statistic accepts: units [example, unit] and labels [example], checked once.

Activations may be NumPy arrays or torch tensors on any device, of any float, integer or boolean
type. The statistics read them in runs of units so that no second full-size copy is ever made.
torch is never imported here: a tensor can only arrive if the caller has imported it already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int64, Shaped

from lens_probes.arrays import array_of, check_dense, check_scale, of_tensor
from lens_probes.errors import InputError

if TYPE_CHECKING:
    import torch

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

PerUnit: TypeAlias = Float64[np.ndarray, " unit"]
CountPerUnit: TypeAlias = Int64[np.ndarray, " unit"]
TextPerUnit: TypeAlias = Shaped[np.ndarray, " unit"]

# Run-time type checkers leave inputs to the checks below, whose errors say what to do.
if TYPE_CHECKING:
    Units: TypeAlias = npt.NDArray[Any] | torch.Tensor
    Labels: TypeAlias = npt.ArrayLike | torch.Tensor
    Numbers: TypeAlias = npt.ArrayLike
else:
    Units = Labels = Numbers = Any

_CHUNK_BYTES = 64 * 2**20


def is_tensor(value: object) -> bool:
    """Whether `value` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_numpy(value: Any, name: str = "an argument") -> npt.NDArray[Any]:
    """The same values as a NumPy array: no copy for arrays and CPU tensors, bfloat16 as float32.

    Cells may be of any type: ids are text as well as numbers.
    """
    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        return value
    if is_tensor(value):
        return of_tensor(name, value)
    if isinstance(value, Iterator):
        value = list(value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"{name} has masked cells: drop those rows, or fill them")
    try:
        return np.asarray(value)
    except Exception as error:  # rows of unequal length, or whatever a type of the user's raises
        raise InputError(f"{name} is no array: its rows differ in length") from error


def numbers(value: Any, name: str) -> Floats:
    """Real numbers of any shape in float64, NaN among them, or a ValueError."""
    array = array_of(name, value)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} has dtype {array.dtype}: it must be numbers")
    return array.astype(np.float64)


def one_each(value: Any, name: str) -> npt.NDArray[Any]:
    """A label [example] as an array, or a ValueError where it is a single value or a table."""
    array = array_of(name, value)
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}: it must be [example], one for each")
    return array


def check_units(x: Any) -> Units:
    """`x` unchanged but for lists, or a ValueError when it is not a real [example, unit] array."""
    if not is_tensor(x):
        x = array_of("x", x)
        if x.dtype.kind not in "fiub":
            raise InputError(
                f"x has dtype {x.dtype}: allowed are float, integer and boolean; convert it first"
            )
    else:
        check_dense("x", x)
        if x.is_complex() or x.is_quantized:
            raise InputError(f"x has dtype {x.dtype}: allowed are float, integer and boolean")
    if x.ndim != 2:
        raise InputError(
            f"x has shape {tuple(x.shape)}: it must be [example, unit]; "
            "reshape a single unit with x[:, None]"
        )
    units: Units = x
    return units


def check_labels(y: Any, n_examples: int, *, per_class: int = 2) -> Bools:
    """Labels [example] as booleans (True = class 1), or a ValueError.

    Each class needs `per_class` examples: with fewer there is no within-class variance.
    """
    labels = array_of("y", y)
    if labels.ndim != 1 or labels.shape[0] != n_examples:
        raise InputError(
            f"y has shape {labels.shape} but x has {n_examples} examples: "
            "y must be [example], one label for each row of x"
        )
    if labels.dtype.kind not in "fiub" or not bool(np.all((labels == 0) | (labels == 1))):
        seen = ", ".join(str(value) for value in np.unique(labels)[:4].tolist())
        raise InputError(f"y has values {seen}: labels must be 0 or 1 (or False or True)")
    positive: Bools = labels == 1
    for name, count in (("0", n_examples - int(positive.sum())), ("1", int(positive.sum()))):
        if count < per_class:
            raise InputError(
                f"class {name} has {count} examples: at least {per_class} are needed in each "
                "class; collect more or merge classes"
            )
    return positive


def check_classes(y: Any, n_examples: int, *, per_class: int = 2) -> Ints:
    """Classes [example] as integers 0, 1, 2 ..., or a ValueError.

    There are two classes or more, and `per_class` examples of each.
    """
    classes = array_of("y", y)
    if classes.shape != (n_examples,):
        raise InputError(
            f"y has shape {classes.shape} but x has {n_examples} examples: "
            "y must be [example], one class for each row of x"
        )
    whole = classes.dtype.kind in "iub" or (
        classes.dtype.kind == "f" and bool((classes == np.round(classes)).all())
    )
    if not whole or (n_examples and not 0 <= classes.min() <= classes.max() < n_examples):
        raise InputError("y must hold whole numbers: classes 0, 1, 2 ..., each of them in use")
    counts = np.bincount(classes.astype(np.int64), minlength=2)
    if counts.min() < per_class:
        raise InputError(
            f"class {int(counts.argmin())} has {int(counts.min())} examples: at least {per_class} "
            "are needed in each class; collect more, merge classes, or number them without gaps"
        )
    return classes.astype(np.int64)


@dataclass(frozen=True, eq=False)
class InTurn:
    """Arrays [example, unit] over the same examples, each read when its turn comes and not kept.

    Where a statistic takes several arrays, it takes this as well: for units that do not fit into
    memory together. `read` gives the array of an index, `widths` its number of units.
    """

    read: Callable[[int], Any]
    widths: tuple[int, ...]
    n_examples: int

    def __iter__(self) -> Iterator[Any]:
        return (self.read(index) for index in range(len(self.widths)))

    def __len__(self) -> int:
        return len(self.widths)

    def rows(self, chosen: Bools) -> InTurn:
        """The same arrays, of some examples."""
        return InTurn(lambda index: self.read(index)[chosen], self.widths, int(chosen.sum()))


def several_arrays(x: Any) -> InTurn:
    """One [example, unit] array, or a sequence of them over the same examples, in turn."""
    if isinstance(x, InTurn):
        return x
    several = isinstance(x, list | tuple) and all(
        (is_tensor(part) or isinstance(part, np.ndarray)) and part.ndim == 2 for part in x
    )
    arrays: Sequence[Units] = (
        [check_units(part) for part in x] if several and len(x) else [check_units(x)]
    )
    lengths = {int(part.shape[0]) for part in arrays}
    if len(lengths) > 1:
        raise InputError(f"the arrays have {sorted(lengths)} examples: all need the same ones")
    return InTurn(arrays.__getitem__, tuple(int(part.shape[1]) for part in arrays), lengths.pop())


def check_values(y: Any, n_examples: int, *, what: str = "y") -> Floats:
    """A continuous label [example] in float64, or a ValueError unless it is finite and varies."""
    values = array_of(what, y)
    if values.dtype.kind not in "fiub":
        raise InputError(f"{what} has dtype {values.dtype}: it must be numbers, one an example")
    values = values.astype(np.float64)
    if values.shape != (n_examples,):
        raise InputError(
            f"{what} has shape {values.shape} but x has {n_examples} examples: "
            f"{what} must be [example]"
        )
    if not np.isfinite(values).all():
        example = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(
            f"{what} is {values[example]} at example {example}: every label must be finite"
        )
    check_scale(what, values)
    if n_examples and (values == values[0]).all():
        raise InputError(f"{what} is constant: give a label that varies")
    return values


def chunks(x: Units, *, max_units: int | None = None) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Runs of units as (first unit, C-contiguous float32 or float64 [example, unit]).

    An array that already has that form and fits comes back whole and uncopied; anything else is
    converted about 64 MB at a time.
    """
    n, width = int(x.shape[0]), int(x.shape[1])
    size = max(1, min(width, _CHUNK_BYTES // (8 * max(n, 1))))
    if isinstance(x, np.ndarray) and x.flags.c_contiguous and x.dtype in (np.float32, np.float64):
        size = max(1, width)
    if max_units is not None:
        size = min(size, max(1, max_units))
    for start in range(0, width, size):
        part = to_numpy(x[:, start : start + size])
        if part.dtype != np.float32:
            part = part.astype(np.float32 if part.dtype == np.float16 else np.float64, copy=False)
        yield start, np.ascontiguousarray(part)


def refuse_nonfinite(part: npt.NDArray[Any], first_unit: int) -> None:
    """Raise the ValueError that names the first NaN or infinite value of a run of units."""
    bad = np.argwhere(~np.isfinite(part.T))
    if len(bad):
        unit, example = (int(k) for k in bad[0])
        raise InputError(
            f"unit {first_unit + unit}, example {example}: the activation is "
            f"{part[example, unit]}; every value must be finite, so drop the example or the unit"
        )
    widths = np.ptp(part.astype(np.longdouble), axis=0)
    unit = int(np.argmax(widths))
    raise InputError(
        f"unit {first_unit + unit}: its values span {float(widths[unit]):.3g}, too wide for "
        "float64 arithmetic; rescale the unit"
    )
