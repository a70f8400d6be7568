"""Students: which layers they take, and what they share with their base."""

import pytest

torch = pytest.importorskip("torch")

from tiny import tiny_config  # noqa: E402
from valence.errors import InputError  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.training.student import StudentShape, make_student, matching_layers  # noqa: E402


@pytest.mark.parametrize(
    ("student", "teacher", "layers"),
    [
        (6, 12, [0, 2, 4, 7, 9, 11]),
        (3, 6, [0, 2, 5]),
        (4, 4, [0, 1, 2, 3]),
        (1, 6, [5]),
        (2, 6, [0, 5]),
        (5, 3, [0, 0, 1, 2, 2]),
    ],
)
def test_layers_are_spread_as_in_distilbert(student, teacher, layers):
    assert matching_layers(student, teacher) == layers


def base(task="classification"):
    model = TaskModel(tiny_config(n_layers=4), task, 3)
    model.initialise(5)
    return model


@pytest.mark.parametrize("task", ["classification", "masked-lm"])
def test_a_student_as_wide_takes_its_layers(task):
    teacher = base(task)
    student = make_student(teacher, StudentShape(n_layers=2), seed=1)
    theirs, ours = teacher.state_dict(), student.state_dict()
    for name, value in ours.items():
        source = name.replace("layers.1.", "layers.3.")
        assert torch.equal(value, theirs[source]), name
    assert student.config.n_layers == 2


def test_a_student_of_all_layers_is_its_base():
    teacher = base().eval()
    student = make_student(teacher, StudentShape(n_layers=4), seed=1).eval()
    ids = torch.arange(5, 25)[None]
    assert torch.equal(student(ids), teacher(ids))


def test_by_default_it_has_half_the_layers():
    assert make_student(base(), StudentShape(), 1).config.n_layers == 2


def test_a_student_of_another_width_starts_fresh_and_in_proportion():
    student = make_student(base(), StudentShape(n_layers=6, hidden_size=16), seed=1)
    config = student.config
    assert (config.n_layers, config.hidden_size, config.n_heads, config.intermediate_size) == (6, 16, 2, 32)
    again = make_student(base(), StudentShape(n_layers=6, hidden_size=16), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), again.parameters(), strict=True))


def test_a_narrower_feed_forward_layer_starts_fresh():
    teacher = base()
    student = make_student(teacher, StudentShape(n_layers=2, intermediate_size=24), seed=1)
    assert torch.equal(
        student.encoder.layers[0].attention.query.weight, teacher.encoder.layers[0].attention.query.weight
    )
    assert student.encoder.layers[0].feed_forward.up.weight.shape == (24, 32)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"hidden_size": 30, "n_heads": 4}, "a width of 30 cannot be shared among 4 heads"),
    ],
)
def test_impossible_students_are_refused(shape, message):
    with pytest.raises(InputError, match=message):
        make_student(base(), StudentShape(**shape), 1)
