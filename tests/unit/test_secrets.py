"""What may be said of a Secret."""

import base64

import pytest

from gitops.manifests.secrets import HIDDEN, LAST_APPLIED, scrubbed, shown, values_of, veiled, with_data_only


def secret(**fields):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}


def test_values_are_known_encoded_decoded_and_line_by_line():
    key = "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n"
    encoded = base64.b64encode(key.encode()).decode()
    assert values_of(secret(data={"key": encoded})) == {key, encoded, *key.splitlines()}
    assert values_of(secret(stringData={"word": "true"})) == set()
    assert values_of({**secret(stringData={"word": "hunter2"}), "kind": "ConfigMap"}) == set()


def test_what_the_api_server_quotes_is_hidden():
    said = ".stringData.pin: expected string, got &value.valueUnstructured{Value:918}"
    assert scrubbed(said, secret(stringData={"pin": 918})) == f".stringData.pin: expected string, got {HIDDEN}"
    assert scrubbed("hunter2 is wrong", secret(stringData={"p": "hunter2"})) == f"{HIDDEN} is wrong"
    assert scrubbed("hunter2 is wrong", {"apiVersion": "v1", "kind": "Pod"}) == "hunter2 is wrong"


def test_a_value_under_a_misspelt_name_is_hidden_too():
    assert "hunter2" not in str(shown(veiled(secret(stringdata={"a": "hunter2"}, date="hunter2"))))


def test_a_value_that_is_no_text_is_hidden_whole():
    values = {"config.yaml": {"password": "hunter2secret", "nested": {"token": "tok3nvalue99"}}, "a": ["x", "listed99"]}
    said = (
        ".stringData.config.yaml: expected string, got &value.valueUnstructured{Value:map[string]interface {}"
        '{"nested":map[string]interface {}{"token":"tok3nvalue99"}, "password":"hunter2secret"}}'
    )
    assert scrubbed(said, secret(stringData=values)) == f".stringData.config.yaml: expected string, got {HIDDEN}"
    assert values_of(secret(stringData=values)) == {"hunter2secret", "tok3nvalue99", "listed99"}


def test_string_data_becomes_data_and_wins():
    body = secret(stringData={"a": "é"}, data={"a": "Mg==", "b": "Mg=="})
    assert with_data_only(body) == secret(data={"a": "w6k=", "b": "Mg=="})


def test_what_the_api_server_refuses_is_left_for_it_to_refuse():
    for body in (secret(stringData={"a": 1}), secret(stringData=["a"]), secret(stringData={"a": "b"}, data="x")):
        assert with_data_only(body) is body


@pytest.mark.parametrize("first", ["hunter2", "hunter2-and-more"])
def test_of_two_values_of_which_one_begins_with_the_other_nothing_of_the_longer_is_left(first):
    second = {"hunter2": "hunter2-and-more", "hunter2-and-more": "hunter2"}[first]
    said = scrubbed("wrong: hunter2-and-more, hunter2.", secret(stringData={"a": first, "b": second}))
    assert said == f"wrong: {HIDDEN}, {HIDDEN}."


def test_a_value_is_hidden_from_its_sixth_character_on():
    assert values_of(secret(stringData={"a": "12345", "b": "123456"})) == {"123456"}


def test_what_kubectl_applied_last_is_a_copy_of_the_values():
    annotations = {LAST_APPLIED: '{"stringData": {"a": "hunter2"}}', "note": "kept"}
    found = shown(veiled({**secret(), "metadata": {"name": "s", "annotations": annotations}}))
    assert found["metadata"] == {"name": "s", "annotations": {LAST_APPLIED: HIDDEN, "note": "kept"}}


def test_hidden_values_can_be_told_apart_and_are_not_printed():
    one, other = (veiled(secret(data={"a": value}))["data"]["a"] for value in ("eA==", "eQ=="))
    assert one != other
    assert one == veiled(secret(data={"a": "eA=="}))["data"]["a"]
    assert "eA==" not in f"{one} {one!r}"
