import warnings

import numpy as np
import pytest

from beyond.edge import export
from beyond.edge.session import CPU, CachedModel, Fallback, OnnxModel, cores, open_session


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory):
    place = tmp_path_factory.mktemp("fp32")
    export.write_variant(place, weights, "fp32")
    return place


def test_a_provider_that_is_missing_is_named(folder):
    with pytest.warns(Fallback, match="NoSuchProvider isn't available here; CPU"):
        session = open_session(folder, providers=["NoSuchProvider"])
    assert session.get_providers() == [CPU]


def test_the_cpu_is_taken_without_a_word(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_session(folder / "model.onnx").get_providers() == [CPU]


def test_threads_and_optimisation_reach_the_session(folder):
    options = open_session(folder, threads=1, optimize=False).get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.graph_optimization_level.name == "ORT_DISABLE_ALL"
    assert open_session(folder).get_session_options().intra_op_num_threads == cores()


def test_a_writer_refuses_what_does_not_fit(folder):
    writer = CachedModel(OnnxModel(folder, threads=1), capacity=4)
    with pytest.raises(ValueError, match="room for 4 tokens, and 5"):
        writer.forward([1, 2, 3, 4, 5])
    writer.forward([1, 2, 3, 4])
    with pytest.raises(ValueError, match="5 are needed"):
        writer.forward([5])


def test_a_writer_goes_back_to_a_shared_beginning(folder):
    writer = CachedModel(OnnxModel(folder, threads=1), capacity=16)
    writer.forward([7, 8, 9])
    first = writer.forward([1, 2]).copy()
    writer.reset_cache(keep=3)
    writer.forward([30, 31, 32, 33])
    writer.reset_cache(keep=3)
    assert np.array_equal(writer.forward([1, 2]), first)


def test_writing_stops_before_a_stop_token(folder):
    writer = CachedModel(OnnxModel(folder, threads=1), capacity=32)
    free = list(writer.generate([7, 8, 9], 10))
    writer.reset_cache()
    stop = free[4]
    assert list(writer.generate([7, 8, 9], 10, stop={stop})) == free[: free.index(stop)]


def test_no_more_tokens_than_asked_for(folder):
    writer = CachedModel(OnnxModel(folder, threads=1), capacity=5)
    assert len(list(writer.generate([7, 8, 9], 3))) == 3  # the last isn't read
