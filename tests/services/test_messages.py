"""What requests may say, and how a refusal names field, value and limit."""

import json
import pickle

import pytest

from services import errors, messages
from services.checking import checked
from services.errors import BadInput, ServiceError, bad_input, problem

SHOPPER = {"user_id": "u"}
DESIGN = {"shopper": SHOPPER, "category": "men-tops"}


def refusal(kind: type[messages.Message], fields: object) -> BadInput:
    with pytest.raises(BadInput) as caught:
        checked(kind, fields)
    return caught.value


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({**DESIGN, "k": 0}, "k", "0"),
        ({**DESIGN, "k": 10**30}, "k", "1" + 30 * "0"),
        ({**DESIGN, "k": 2.5}, "k", "2.5"),
        ({**DESIGN, "k": "3"}, "k", "3"),
        ({**DESIGN, "k": True}, "k", "True"),
        ({**DESIGN, "k": 9, "restarts": 8}, "restarts", "8"),
        ({**DESIGN, "restarts": 65}, "restarts", "65"),
        ({**DESIGN, "steps": 10**6}, "steps", "1000000"),
        ({**DESIGN, "steps": -1}, "steps", "-1"),
        ({**DESIGN, "realism": float("nan")}, "realism", "nan"),
        ({**DESIGN, "realism": float("inf")}, "realism", "inf"),
        ({**DESIGN, "realism": -0.1}, "realism", "-0.1"),
        ({**DESIGN, "seed": 2**53}, "seed", str(2**53)),
        ({**DESIGN, "sneed": 1}, "sneed", "1"),
        ({**DESIGN, "category": ""}, "category", ""),
        ({"category": "men-tops"}, "shopper", "missing"),
        ({**DESIGN, "shopper": "u"}, "shopper", "u"),
        ({**DESIGN, "shopper": {}}, "shopper", "[]"),
        ({**DESIGN, "shopper": {"user_id": "u", "likes": ["i"]}}, "shopper", "['likes', 'user_id']"),
        ({**DESIGN, "shopper": {"likes": []}}, "shopper.likes", "[]"),
        ({**DESIGN, "shopper": {"likes": [1]}}, "shopper.likes.0", "1"),
    ],
)
def test_a_design_request_outside_its_limits_is_refused_by_name(
    fields: dict[str, object], field: str, value: str
) -> None:
    error = refusal(messages.DesignRequest, fields)
    assert (error.facts["field"], error.facts["value"]) == (field, value)
    assert error.facts["limit"] and error.facts["limit"] in error.detail
    json.dumps(problem(error, instance="/", request_id="r"), allow_nan=False)


def test_a_limit_says_what_would_do() -> None:
    assert refusal(messages.DesignRequest, {**DESIGN, "k": 99}).detail == (
        "k is 99, but must be less than or equal to 16"
    )
    short = refusal(messages.DesignRequest, {**DESIGN, "k": 9, "restarts": 8})
    assert short.detail == "restarts is 8, but must be at least k, which is 9"


def test_all_faults_of_a_request_are_told_at_once_but_not_without_end() -> None:
    error = refusal(messages.DesignRequest, {**DESIGN, "k": 0, "steps": 0})
    assert [each["field"] for each in error.facts["errors"]] == ["k", "steps"]
    many = {"shopper": SHOPPER, "items": [0] * 1000}
    assert len(refusal(messages.ScoreRequest, many).facts["errors"]) == 20


@pytest.mark.parametrize("body", [[], "text", None, 3])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert refusal(messages.ScoreRequest, body).facts["field"] == "body"


@pytest.mark.parametrize("count", [0, 1001])
def test_the_number_of_items_to_score_has_limits(count: int) -> None:
    assert refusal(messages.ScoreRequest, {"shopper": SHOPPER, "items": ["i"] * count}).facts["field"] == "items"


def test_an_upload_to_alter_needs_a_category() -> None:
    fields = {"shopper": SHOPPER, "picture": {"data": "aGk="}}
    assert refusal(messages.AlterRequest, fields).facts["field"] == "category"
    assert checked(messages.AlterRequest, {**fields, "category": "men-tops"}).picture.data == b"hi"


def test_variations_need_no_shopper_but_an_upload_its_category() -> None:
    fields = {"picture": {"data": "aGk="}}
    assert refusal(messages.VariationsRequest, fields).facts["field"] == "category"
    assert checked(messages.VariationsRequest, {**fields, "category": "c"}).shopper is None
    for field, value in (("radius", 0), ("radius", 1.01), ("n", 17)):
        assert refusal(messages.VariationsRequest, {**fields, "category": "c", field: value}).facts["field"] == field


def test_a_fitting_of_designs_needs_a_category() -> None:
    fields = {"shopper": SHOPPER, "person": {"data": "aGk="}, "source": "design"}
    assert refusal(messages.FittingRequest, fields).facts["field"] == "category"
    assert refusal(messages.FittingRequest, {**fields, "source": "magic"}).facts["field"] == "source"


@pytest.mark.parametrize("item_id", ["", "x" * 201, "a\nb", "a\0"])
def test_the_name_of_an_item_has_limits(item_id: str) -> None:
    assert refusal(messages.ItemName, {"item_id": item_id}).facts["field"] == "item_id"


def test_an_item_has_a_category_and_a_picture_sent_along() -> None:
    fields = {"category": "men-tops", "picture": {"data": "aGk="}}
    assert checked(messages.PutItemRequest, fields).picture.data == b"hi"
    for field in fields:
        without = {name: value for name, value in fields.items() if name != field}
        assert refusal(messages.PutItemRequest, without).facts["field"] == field
    assert (
        refusal(messages.PutItemRequest, {**fields, "picture": {"item_id": "i"}}).facts["field"].startswith("picture")
    )


@pytest.mark.parametrize("data", ["no base64!", "aGk", "äöü"])
def test_a_picture_that_is_no_base64_is_refused_and_not_repeated(data: str) -> None:
    error = refusal(messages.TryOnRequest, {"person": {"data": data}, "wanted": {"item_id": "i"}})
    assert error.facts["field"] == "person.data"
    assert data not in error.detail


def test_a_picture_is_never_a_url() -> None:
    fields = {"person": {"data": "aGk="}, "wanted": {"url": "http://169.254.169.254/"}}
    assert refusal(messages.TryOnRequest, fields).facts["field"].startswith("wanted")


@pytest.mark.parametrize("design_id", ["../../etc/passwd", "ab", "A" * 64, "g" * 64])
def test_a_design_id_is_a_hash(design_id: str) -> None:
    fields = {"person": {"data": "aGk="}, "wanted": {"design_id": design_id}}
    assert refusal(messages.TryOnRequest, fields).facts["field"] == "wanted.design_id"


def test_what_a_request_brings_is_not_in_its_text() -> None:
    request = checked(messages.TryOnRequest, {"person": {"data": b"secret"}, "wanted": {"item_id": "i"}})
    assert "secret" not in repr(request) and "secret" not in str(request)


def all_errors(kind: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_pickles_whole_and_makes_a_problem(kind: type[ServiceError]) -> None:
    error = pickle.loads(pickle.dumps(kind("why", retry_after_s=2, field="k")))
    assert type(error) is kind
    assert (str(error), error.retry_after_s, error.facts) == ("why", 2, {"field": "k"})
    told = problem(error, instance="/v1/x", request_id="r")
    assert told["status"] == kind.status and told["field"] == "k" and told["request_id"] == "r"


def test_types_tell_errors_apart() -> None:
    named = [kind.type for kind in all_errors() if "type" in vars(kind)]
    assert len(named) == len(set(named)) == 17


def test_long_values_are_shortened_and_bytes_only_counted() -> None:
    assert len(bad_input("f", "x" * 10_000, "short").detail) < 200
    assert errors.show(b"\xff" * 99) == "99 bytes"
