"""What may be said of a Secret."""

import base64

from gitops.manifests.secrets import HIDDEN, scrubbed, shown, values_of, veiled, with_data_only


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
