"""Let a test use an object of the student's that stays in the student's process.

A `Handle` is a number that names the object. What the test does with it is sent as an operation
and comes back as a plain value, an exception or another handle; each of these is a claim. No code
of the student's arrives, and the student's process gets no handle of anything here: what a test
hands over goes by value, as the handle of an object that lies there already, by the name of a
library's function, or as a function of the author's that is called back with plain values and
handles (`judge.call_backs`).
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import io
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from autograder.expectations import RemoteFunction
from autograder.judge import call_backs
from autograder.judge.contract import Contract
from autograder.judge.rpc import HandleTold, NoFunction, Told
from autograder.judge.student_client import ProcessEnded, StudentClient
from autograder.sandbox import random_state, wire
from autograder.sandbox.plain_values import WRONG_TYPE, CannotCross, type_name
from autograder.sandbox.references import FUNCTION, HANDLE, LIBRARY, Reference

MAX_HANDLES = 100_000
"""The most handles that one run may hold at a time, and the most functions that it hands over."""

_REPLACEABLE = {name: getattr(builtins, name) for name in ("input", "print", "open")}

_PUSHED_BYTES = 8 * 1024 * 1024
_INNER = "_Handle__inner"


class Desk:
    """All handles of one run, and what is sent for them.

    Args:
        student: asks the student's process.
    """

    def __init__(self, student: StudentClient) -> None:
        self._student = student
        self._handles: weakref.WeakValueDictionary[tuple[int, int], Handle] = (
            weakref.WeakValueDictionary()
        )
        self.released: list[tuple[int, int]] = []
        """Those of which no handle is left."""
        self._functions: list[Any] = []
        self._function_numbers: dict[int, int] = {}
        self._pushed: dict[str, tuple[int, int]] = {}
        self._undo: list[tuple[str, Any]] = []
        self._loans: list[Handle] = []
        """What was made there for arguments of this test cell's."""
        self._state: dict[str, Any] | None = None
        self.contract = Contract()
        self.shares_random = False
        self.names_stop = False
        """Whether the test names StopIteration, and so gets it."""

    def begin_test(self, contract: Contract) -> None:
        """Start a cell of the instructor's, which may do what the contract says."""
        self.contract = contract
        self._loans.clear()
        self._state = None
        self.shares_random = False

    def share_random(self) -> None:
        """Let the student's code draw from where the cell seeds the usual random generators."""
        self.shares_random = True
        self._seeds = random_state.Seeds.watched()

    _seeds: random_state.Seeds

    def is_needed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Return whether a call takes more than sending its arguments and getting a value."""
        if self.shares_random:
            self._push_random()
        for name in (*args, *kwargs.values()):
            if type(name) is str and 0 < len(name) < 200:
                self._push_file(name)
        return (
            self.contract.has_handles
            or self.contract.has_changes
            or self._is_printed
            or any(getattr(builtins, name) is not one for name, one in _REPLACEABLE.items())
        )

    @property
    def _is_printed(self) -> bool:
        """Return whether a test reads what the student's code prints."""
        return isinstance(sys.stdout, io.StringIO) and sys.stdout is not self._quiet

    def end_test(self) -> None:
        """Give the student's names back what they stood for before the test cell."""
        while self._undo:
            name, value = self._undo.pop()
            try:
                if value is _NOTHING:
                    self._ask(name, "unbind", [name], {}, f"del {name}", handles=True)
                else:
                    self._ask(name, "bind", [name, value], {}, f"{name} =", handles=False)
            except Exception:
                return  # a new process has the names as they were

    def name(self, name: str) -> Any:
        """Return the value of one of the student's variables, or a handle of it."""
        return self._ask(name, "name", [name], {}, name, self.contract.allows(name, "handle"))

    def invoke(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what one of the student's functions returns, or a handle of it."""
        what = f"{name}()"
        handles = self.contract.allows(what, "handle")
        return self._ask(name, "invoke", [name, *args], kwargs, what, handles)

    def operate(self, handle: Handle, what: str, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Return what comes of an operation on a student's object.

        Args:
            handle: of the object; it is among the arguments.
            what: the operation as the contract names it.
            operation: its name for the student's process.
            *args: of the operation.
            **kwargs: of the operation.

        Raises:
            CannotCross: the solution's objects aren't used like this, so it says nothing.
        """
        if not self.contract.allows(what):
            raise _not_asked(handle)
        allowed = self.contract.allows(what, "handle")
        root = _inner(handle).root
        return self._ask(root, operation, list(args), kwargs, what, allowed)

    def claim(self, handle: Handle, what: str) -> None:
        """Note that the test takes a submission's word that came with a handle.

        Raises:
            CannotCross: the solution's isn't taken.
        """
        if not self.contract.allows(what, "value"):
            raise _not_asked(handle)
        self.contract.note(what, "value")

    def bind(self, name: str, value: Any) -> None:
        """Bind a name of the student's anew until the test cell ends."""
        if not self.contract.allows(f"{name} ="):
            return
        if not any(name == one for one, _value in self._undo):
            self._undo.append((name, self._held(name)))
        self._ask(name, "bind", [name, value], {}, f"{name} =", handles=False)

    def unbind(self, name: str) -> None:
        """Take a name from the student's notebook until the test cell ends."""
        if not self.contract.allows(f"del {name}"):
            raise CannotCross(WRONG_TYPE, kind=name)
        before = self._ask(name, "unbind", [name], {}, f"del {name}", handles=True)
        if not any(name == one for one, _value in self._undo):
            self._undo.append((name, before))

    def _held(self, name: str) -> Any:
        if not self._student.has(name):
            return _NOTHING
        return self._ask(name, "name", [name], {}, name, handles=True)

    def _ask(
        self,
        root: str,
        operation: str,
        args: list[Any],
        kwargs: dict[str, Any],
        what: str,
        handles: bool,
    ) -> Any:
        options: dict[str, Any] = {"handles": True} if handles else {}
        if self.released:
            generation = self._student.generation
            options["released"] = [one for made, one in self.released if made == generation]
            self.released.clear()
        if self._is_printed:
            options["output"] = True
        if self.contract.has_changes and operation in ("invoke", "call"):
            options["changes"] = True
        for name, usual in _REPLACEABLE.items():
            now = getattr(builtins, name)
            if now is not usual:
                options.setdefault("replaced", {})[name] = now
        sent = [self._refer(one) if type(one) is Handle else one for one in args]
        told = self._student.operate(
            root, operation, sent, kwargs, options, self._refer, self._called_back
        )
        return self._taken(told, root, operation, args, what, handles)

    _quiet: Any = None

    def quiet(self, stream: Any) -> None:
        """Take this as the test's own stdout, to which nothing of the student's is added."""
        self._quiet = stream

    def _push_random(self) -> None:
        """Let the student's code draw from where a test has seeded the usual generators."""
        state = random_state.current()
        if self._state is None or self._seeds.taken() or not _same(state, self._state):
            self._state = state
            self._student.set_random(state)

    def _push_file(self, name: str) -> None:
        path = Path(name)
        try:
            if path.is_absolute() or ".." in path.parts or not path.is_file():
                return
            seen = path.stat()
            mark = (seen.st_mtime_ns, seen.st_size)
            if self._pushed.get(name, self._given.get(name)) == mark:
                return
            if seen.st_size <= _PUSHED_BYTES:
                self._student.put(name, path.read_bytes())
            self._pushed[name] = mark
        except (OSError, ValueError):
            return

    _given: Mapping[str, tuple[int, int]] = {}

    def given_files(self) -> None:
        """Take all files in the working folder for those that the student's process has, too."""
        found = {}
        for folder, _folders, names in os.walk("."):
            for name in names:
                path = Path(folder) / name
                with contextlib.suppress(OSError):  # a link to nowhere
                    seen = path.stat()
                    found[path.as_posix()] = (seen.st_mtime_ns, seen.st_size)
        self._given = found

    def is_given(self, name: str) -> bool:
        """Return whether a file is the instructor's own."""
        return Path(name).as_posix() in self._given

    def _taken(
        self,
        told: Told,
        root: str,
        operation: str,
        args: list[Any],
        what: str,
        handles: bool,
    ) -> Any:
        """Return what a reply says, once its side effects have happened here."""
        if told.output:
            sys.stdout.write(told.output)
        first = 1 if operation == "invoke" or operation == "call" else 0
        for place, value in told.changed.items():
            is_known = first + place < len(args) and self.contract.allows_change(what, place)
            if is_known and _changed_in_place(args[first + place], value):
                self.contract.note(what, f"changes {place}")
        if told.error is not None:
            self.contract.note(what, "value")
            if operation not in ("next", "invoke", "name") and not self.names_stop:
                raise not_stopping(told.error) from None
            raise told.error
        if told.handle is None:
            self.contract.note(what, "value")
            return told.value
        if not handles:
            raise CannotCross(WRONG_TYPE, kind=type_name(Handle, told.handle.names[0]))
        self.contract.note(what, "handle")
        return self._handle(told.handle, root, what)

    def _handle(self, told: HandleTold, root: str, what: str) -> Handle:
        key = (self._student.generation, told.number)
        found = self._handles.get(key)
        if found is None:
            if len(self._handles) >= MAX_HANDLES:
                raise RuntimeError(f"a test may hold {MAX_HANDLES:,} objects of a student's")
            path = what if what.startswith(f"{root}.") and not what.endswith(")") else root
            found = Handle(self, told, key, root, path)
            self._handles[key] = found
        return found

    def _refer(self, value: Any) -> Reference | None:
        """Return what stands for a value in a request; None for one that goes by value."""
        kind = type(value)
        if kind is Handle:
            made, held = _inner(value).key
            if made != self._student.generation:
                raise ProcessEnded("the object was lost when the Python process ended")
            return Reference(HANDLE, held)
        if kind is Reference:
            return cast("Reference", value)
        if kind is RemoteFunction:
            return self._function_there(value.__name__)
        if not callable(value) and not isinstance(value, types.ModuleType):
            return None
        if _is_plain_type(value, kind):
            return None
        name = call_backs.name_in_library(value)
        if name is not None:
            return Reference(LIBRARY, name=name)
        if isinstance(value, types.ModuleType):
            return None
        if not call_backs.may_be_called(value):
            return self._made_there(value)
        number = self._function_numbers.get(id(value))
        if number is None:
            if len(self._functions) >= MAX_HANDLES:
                raise RuntimeError(f"a test may hand over {MAX_HANDLES:,} functions")
            number = self._function_numbers[id(value)] = len(self._functions)
            self._functions.append(value)
        return Reference(FUNCTION, number)

    def _function_there(self, name: str) -> Reference | None:
        """Return a reference to one of the student's own functions, which is no handle here."""
        told = self._student.operate(
            name, "name", [name], {}, {"handles": True}, self._refer, self._called_back
        )
        if told.error is not None:
            raise told.error
        return None if told.handle is None else Reference(HANDLE, told.handle.number)

    def _made_there(self, value: Any) -> Reference:
        """Return a reference to a partial or the like that the student's process makes itself.

        Raises:
            Refused: the student's side can't have it.
        """
        parts = call_backs.parts_there(value)
        if parts is None:
            raise call_backs.Refused(value)
        name, args, kwargs = parts
        words = [Reference(LIBRARY, name=name), *args]
        told = self._student.operate(
            name, "call", words, kwargs, {"handles": True}, self._refer, self._called_back
        )
        if told.handle is None:
            raise call_backs.Refused(value)
        self._loans.append(self._handle(told.handle, name, name))
        return Reference(HANDLE, told.handle.number)

    def library(self, module: str) -> Any:
        """Return a handle of a library's module as the student's process has it."""
        named = Reference(LIBRARY, name=f"{module}:")
        handles = self.contract.allows(module, "handle")
        return self._ask(module, "itself", [named], {}, module, handles)

    def classes_of(self, handle: Handle) -> list[str] | None:
        """Return the qualified names of a class and its bases; None for what is no class."""
        inner = _inner(handle)
        return inner.names if inner.is_class else None

    def _called_back(self, number: int, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a function of the test's, which the student's code was handed.

        Raises:
            NoFunction: none was handed over under this number.
        """
        if not 0 <= number < len(self._functions):
            raise NoFunction(number)
        what = f"({getattr(self._functions[number], '__name__', 'function')})"

        def given(one: Any) -> Any:
            if isinstance(one, HandleTold):
                if not self.contract.allows(what, "handle"):
                    raise CannotCross(WRONG_TYPE, kind=type_name(Handle, one.names[0]))
                self.contract.note(what, "handle")
                return self._handle(one, what, what)
            return one

        result = self._functions[number](
            *map(given, args), **{key: given(value) for key, value in kwargs.items()}
        )
        return wire.packed(result, arguments=True, refer=self._refer)


def not_stopping(error: Exception) -> Exception:
    """Return an error, for a StopIteration a RuntimeError, as in a generator.

    Else `all(map(lambda x: f(x) == 2 * x, numbers))` ends early and is true.
    """
    if not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"the call raised StopIteration: {error}")


_NOTHING: Any = object()


class _Inner:
    """What a handle itself knows."""

    __slots__ = ("desk", "is_callable", "is_class", "key", "names", "path", "root")

    def __init__(
        self, desk: Desk, told: HandleTold, key: tuple[int, int], root: str, path: str
    ) -> None:
        self.desk, self.key, self.root, self.path = desk, key, root, path
        self.is_class, self.is_callable, self.names = told.is_class, told.is_callable, told.names


def _inner(handle: Handle) -> _Inner:
    found: _Inner = object.__getattribute__(handle, _INNER)
    return found


_LOCAL_ATTRIBUTES = ("__array", "__torch", "__cuda", "__dlpack", "__dataframe", "__arrow", "__jax")
_COPIED = ("__reduce", "__getstate__", "__getnewargs", "__set_name__", "__mro_entries__")


class Handle:
    """An object of the student's, which stays in the student's process."""

    __slots__ = ("__inner", "__weakref__")

    __array_ufunc__ = None
    """An array leaves comparing and computing with a handle to the handle."""

    def __init__(
        self, desk: Desk, told: HandleTold, key: tuple[int, int], root: str, path: str
    ) -> None:
        object.__setattr__(self, _INNER, _Inner(desk, told, key, root, path))

    def __del__(self) -> None:
        inner = _inner(self)
        inner.desk.released.append(inner.key)

    def __getattr__(self, name: str) -> Any:
        inner = _inner(self)
        if name.startswith((*_LOCAL_ATTRIBUTES, *_COPIED)):
            raise AttributeError(name)
        return inner.desk.operate(self, f"{inner.root}.{name}", "getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        inner = _inner(self)
        inner.desk.operate(self, f"{inner.root}.{name} =", "setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        inner = _inner(self)
        inner.desk.operate(self, f"del {inner.root}.{name}", "delattr", self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object, where it is."""
        inner = _inner(self)
        return inner.desk.operate(self, f"{inner.path}()", "call", self, *args, **kwargs)

    @property  # type: ignore[misc]  # what isinstance asks for
    def __class__(self) -> type:
        return class_told(_inner(self)) or Handle

    def __instancecheck__(self, value: Any) -> bool:
        return bool(_operate(self, "isinstance", value, self))

    def __subclasscheck__(self, value: Any) -> bool:
        return bool(_operate(self, "issubclass", value, self))

    def __iter__(self) -> Iterator[Any]:
        found: Iterator[Any] = _operate(self, "iter", self)
        return found if type(found) is Handle else iter(found)

    def __next__(self) -> Any:
        return _operate(self, "next", self)

    def __len__(self) -> int:
        return _whole(_operate(self, "len", self))

    def __bool__(self) -> bool:
        return _operate(self, "bool", self) is True

    def __contains__(self, value: Any) -> bool:
        return _operate(self, "contains", self, value) is True

    def __hash__(self) -> int:
        return _whole(_operate(self, "hash", self))

    def __repr__(self) -> str:
        return _text(_operate(self, "repr", self))

    def __str__(self) -> str:
        return _text(_operate(self, "str", self))

    def __format__(self, spec: str) -> str:
        return _text(_operate(self, "format", self, spec))

    def __bytes__(self) -> bytes:
        found = _operate(self, "bytes", self)
        return found if type(found) is bytes else b""

    def __int__(self) -> int:
        return _whole(_operate(self, "int", self))

    def __index__(self) -> int:
        return _whole(_operate(self, "index", self))

    def __float__(self) -> float:
        found = _operate(self, "float", self)
        if type(found) is not float:
            raise TypeError("__float__ returned no float")
        return found

    def __complex__(self) -> complex:
        found = _operate(self, "complex", self)
        if type(found) is not complex:
            raise TypeError("__complex__ returned no complex number")
        return found

    def __dir__(self) -> list[str]:
        found = _operate(self, "dir", self)
        return [one for one in found if type(one) is str] if type(found) is list else []

    def __enter__(self) -> Any:
        return _operate(self, "enter", self)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        known = kind if call_backs.name_in_library(kind) else Exception
        words = (None, "") if kind is None else (known, str(error))
        return _operate(self, "exit", self, *words) is True

    def __deepcopy__(self, _memo: Any) -> Any:
        return _operate(self, "deepcopy", self)

    def __copy__(self) -> Any:
        return _operate(self, "copy", self)

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        more = () if modulus is None else (modulus,)
        return _operate(self, "pow", self, other, *more)

    def __rpow__(self, other: Any) -> Any:
        return _operate(self, "pow", other, self)

    def __round__(self, *digits: Any) -> Any:
        return _operate(self, "round", self, *digits)


def _not_asked(handle: Handle) -> CannotCross:
    return CannotCross(WRONG_TYPE, kind=type_name(Handle, _inner(handle).names[0]))


def _operate(handle: Handle, operation: str, *args: Any) -> Any:
    inner = _inner(handle)
    return inner.desk.operate(handle, f"{operation}({inner.root})", operation, *args)


def _method(operation: str, reflected: bool = False) -> Callable[..., Any]:
    def method(self: Handle, *args: Any) -> Any:
        ordered = (*args, self) if reflected else (self, *args)
        return _operate(self, operation, *ordered)

    return method


for _name in ("lt", "le", "eq", "ne", "ge", "gt", "getitem", "setitem", "delitem", "reversed"):
    setattr(Handle, f"__{_name}__", _method(_name))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "lshift", "rshift"):
    setattr(Handle, f"__{_name}__", _method(_name))
    setattr(Handle, f"__r{_name}__", _method(_name, reflected=True))
    setattr(Handle, f"__i{_name}__", _method(f"i{_name}"))
for _name in ("and", "or", "xor"):
    setattr(Handle, f"__{_name}__", _method(f"{_name}_"))
    setattr(Handle, f"__r{_name}__", _method(f"{_name}_", reflected=True))
    setattr(Handle, f"__i{_name}__", _method(f"i{_name}"))
for _name in ("neg", "pos", "abs", "invert", "trunc", "floor", "ceil", "divmod"):
    setattr(Handle, f"__{_name}__", _method(_name))
Handle.__rdivmod__ = _method("divmod", reflected=True)  # type: ignore[attr-defined]  # as above
Handle.__ipow__ = _method("ipow")  # type: ignore[attr-defined]  # as above


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("what came is no whole number")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("what came is no text")
    return value


def class_told(inner: _Inner) -> type | None:
    """Return the nearest class of an object that this side has, too; None if there is none.

    None of numbers either: an object that claims to be one hasn't crossed as one, and is none.
    """
    if inner.is_class:
        return type
    for qualified in inner.names:
        module, _, name = qualified.rpartition(".")
        if module == "__main__":
            continue
        found: Any = sys.modules.get(module)
        found = getattr(found, "__dict__", {}).get(name)
        if isinstance(found, type) and found.__module__.split(".")[0] not in ("autograder",):
            return None if issubclass(found, _PLAIN) else found
    return None


_PLAIN = (int, float, complex, bool)


def type_of(value: Any) -> Any:
    """Return what `type(value)` is in a notebook: of a handle the student's class."""
    if type(value) is not Handle:
        return type(value)
    inner = _inner(value)
    exact = inner.names[0].rpartition(".")
    module = sys.modules.get(exact[0])
    known = getattr(module, "__dict__", {}).get(exact[2]) if exact[0] != "__main__" else None
    if isinstance(known, type) and not inner.is_class:
        inner.desk.claim(value, f"type({inner.root})")
        return known
    return _operate(value, "type", value)


INSPECTIONS = ("getsource", "signature", "getdoc", "isfunction", "isclass", "isgenerator")


def inspected(name: str, value: Any) -> Any:
    """Return what a function of `inspect` says of a value; of a handle, what is claimed."""
    if type(value) is Handle:
        return _operate(value, name, value)
    return getattr(inspect, name)(value)


def is_callable(value: Any) -> bool:
    """Return what `callable(value)` is in a notebook."""
    return _inner(value).is_callable if type(value) is Handle else callable(value)


def is_subclass(value: Any, of: Any) -> bool:
    """Return what `issubclass(value, of)` is in a notebook."""
    if type(value) is Handle and type(of) is not Handle:
        return _operate(value, "issubclass", value, of) is True
    return issubclass(value, of)


def _is_plain_type(value: Any, kind: type) -> bool:
    """Return whether a value that can be called goes by value all the same."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    return bool(
        (torch and isinstance(value, (torch.Tensor, torch.dtype)))
        or (numpy and isinstance(value, (numpy.ndarray, numpy.dtype, numpy.generic)))
    )


def _changed_in_place(value: Any, now: Any) -> bool:
    """Give a container what a call has made of it; return whether that could be done."""
    kind = type(value)
    if kind is not type(now):
        return False
    if kind is list:
        if len(value) == len(now):
            for place, (old, new) in enumerate(zip(value, now, strict=True)):
                if not (type(old) is type(new) and _changed_in_place(old, new)):
                    value[place] = new
        else:
            value[:] = now
    elif kind is dict:
        value.clear()
        value.update(now)
    elif kind is set:
        value.clear()
        value |= now
    elif hasattr(value, "shape") and kind.__module__ == "numpy":
        if value.shape != now.shape or value.dtype != now.dtype:
            return False
        value[...] = now
    elif kind.__module__ == "torch":
        if value.shape != now.shape or value.dtype != now.dtype:
            return False
        value.detach().copy_(now)
    elif kind.__module__.split(".")[0] == "pandas" and hasattr(value, "_mgr"):
        value._mgr = now._mgr
    else:
        return False
    return True


def _same(one: Any, other: Any) -> bool:
    numpy = sys.modules.get("numpy")
    if isinstance(one, dict):
        return isinstance(other, dict) and all(_same(one[key], other.get(key)) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if numpy is not None and isinstance(one, numpy.ndarray):
        return bool(numpy.array_equal(one, other))
    if hasattr(one, "equal"):
        return bool(one.equal(other))
    return bool(one == other)
