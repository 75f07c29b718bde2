"""Refusals in the OpenAPI schema come from the classes that are raised."""

from django.utils import translation
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated, Throttled

from common.error_responses import exception_handler
from common.exceptions import BadCredentials, Conflict, DomainError, NotFound, Unprocessable
from common.schema import ErrorSerializer, ValidationErrorSerializer, invalid, refusals


class NoRoof(NotFound):
    sentence = "No hay techo."


class NoWall(NotFound):
    sentence = "No hay pared."


class Taken(Conflict):
    sentence = _("Método no permitido.")


class Full(Unprocessable):
    field = "room"
    sentence = "No cabe."


def sentences(described: object) -> list[str]:
    return [example.name for example in described.examples]  # type: ignore[attr-defined]


def test_each_status_shows_the_sentences_of_its_errors() -> None:
    described = refusals(NoRoof, NoWall, Taken, Throttled, NotAuthenticated, BadCredentials)
    assert {status: sentences(answer) for status, answer in described.items()} == {
        404: ["No hay techo.", "No hay pared."],
        409: ["Método no permitido."],
        429: ["Demasiadas peticiones. Inténtalo de nuevo más tarde."],
        401: ["No autenticado", "No se pudieron validar las credenciales"],
    }
    assert described[409].response is ErrorSerializer


def test_what_is_described_is_what_is_answered() -> None:
    for error in (NoRoof, Taken, BadCredentials):
        answer = exception_handler(error(), {})
        assert answer is not None
        (example,) = refusals(error)[answer.status_code].examples
        assert example.value == answer.data


def test_the_schema_is_spanish_whatever_its_reader_speaks_and_an_answer_is_not() -> None:
    with translation.override("en"):
        assert sentences(refusals(Taken)[409]) == ["Método no permitido."]
        assert str(Taken()) == "Method not allowed."


def test_a_field_that_cannot_be_had_is_an_item_of_a_list() -> None:
    described = refusals(Full)[422]
    assert described.response is ValidationErrorSerializer
    (item,) = described.examples[0].value["detail"]
    assert (item["type"], item["loc"], item["msg"]) == ("value_error", ["body", "room"], "No cabe.")
    assert invalid("to", "El fin.", place="query")[422].examples[0].value["detail"][0]["loc"] == ["query", "to"]


def test_an_error_says_when_to_come_back_by_its_class_or_by_its_raise() -> None:
    class Later(DomainError):
        sentence, retry_after_s = "Más tarde.", 10

    answers = [exception_handler(error, {}) for error in (Later(), Later(retry_after_s=3))]
    assert [answer and answer.headers["Retry-After"] for answer in answers] == ["10", "3"]
