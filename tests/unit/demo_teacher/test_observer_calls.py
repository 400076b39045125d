import pytest

from ffr.demo.observer_calls import ToolRequest, compose, read_tools


def spec(properties, required=()):
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return read_tools(
        [{"type": "function", "function": {"name": "look", "parameters": parameters}}]
    )["look"]


def test_only_known_parameters_are_sent():
    call = compose(spec({"t_s": {"type": "number"}}), t_s=1.5, mood="curious")
    assert call == ToolRequest(name="look", arguments={"t_s": 1.5})


def test_numbers_keep_to_the_bounds_and_their_type():
    tool = spec({"frames": {"type": "integer", "minimum": 2, "maximum": 8}, "t_s": {"minimum": 1}})
    call = compose(tool, frames=11, t_s=0.0)
    assert call is not None
    assert call.arguments == {"frames": 8, "t_s": 1.0}
    assert isinstance(call.arguments["frames"], int)


def test_bounds_inside_an_optional_parameter():
    tool = spec({"frames": {"anyOf": [{"type": "integer", "maximum": 6}, {"type": "null"}]}})
    assert compose(tool, frames=11) == ToolRequest(name="look", arguments={"frames": 6})


def test_required_parameters_fall_back_on_default_then_enum():
    tool = spec(
        {"mode": {"enum": ["burn", "plain"]}, "side": {"default": 3}}, required=["mode", "side"]
    )
    assert compose(tool) == ToolRequest(name="look", arguments={"mode": "burn", "side": 3})


@pytest.mark.parametrize(
    "schema", [{"type": ["number", "null"]}, {"anyOf": [{"type": "number"}, {"type": "null"}]}]
)
def test_a_required_parameter_that_may_be_null_is_null(schema):
    assert compose(spec({"side": schema}, required=["side"])) == ToolRequest("look", {"side": None})


def test_a_value_outside_the_enum_is_left_out():
    assert compose(spec({"mode": {"enum": ["a"]}}), mode="b") == ToolRequest("look", {})


@pytest.mark.parametrize("properties", [{"video": {"type": "string"}}, {}])
def test_a_tool_it_cannot_fill_is_not_called(properties):
    assert compose(spec(properties, required=["video"]), t_s=1.0) is None


def test_odd_schemas_do_no_harm():
    tools = read_tools(
        [
            {"type": "function", "function": {"name": "bare"}},
            {"type": "function", "function": {"name": "odd", "parameters": {
                "properties": {"t_s": True, "n": {"minimum": float("inf"), "anyOf": [3]}},
                "required": "t_s",
            }}},
        ]
    )
    assert compose(tools["bare"], t_s=1.0) == ToolRequest("bare", {})
    assert compose(tools["odd"], t_s=1.0, n=2) == ToolRequest("odd", {"t_s": 1.0, "n": 2})
