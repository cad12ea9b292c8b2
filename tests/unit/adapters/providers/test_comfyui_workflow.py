"""Workflows of ComfyUI: what is taken as one, how its inputs are found, and the graph that is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from photochanger.adapters.providers.comfyui.graph import MAX_NODES, MAX_WORKFLOW_CHARS, parse_graph
from photochanger.adapters.providers.comfyui.marks import Place
from photochanger.adapters.providers.comfyui.settings import read_settings
from photochanger.adapters.providers.comfyui.workflow import Filling, Workflow, read_workflow
from photochanger.core.domain.costs.call_cost import FREE, CallCost
from photochanger.core.domain.errors import InvalidSettings

from tests.support.standins.comfyui_nodes import workflow

FILLING = Filling(photo="a.jpg [temp]", prompt="noir", negative="haze", seed=7)


def read(graph: Any, nodes: str = "") -> Workflow:
    return read_workflow(json.dumps(graph), nodes)


def errors(graph: Any, nodes: str = "", **others: Any) -> list[tuple[str, str, dict[str, Any]]]:
    text = graph if isinstance(graph, str) else json.dumps(graph)
    with pytest.raises(InvalidSettings) as raised:
        read_settings({"workflow": text, "nodes": nodes, **others})
    return [(error.field, error.code.value, error.params) for error in raised.value.errors]


def codes(graph: Any, nodes: str = "", **others: Any) -> list[str]:
    return [code for _, code, _ in errors(graph, nodes, **others)]


def renamed(graph: dict[str, Any], node_id: str, title: str) -> dict[str, Any]:
    return graph | {node_id: graph[node_id] | {"_meta": {"title": title}}}


def without(graph: dict[str, Any], *node_ids: str) -> dict[str, Any]:
    return {node_id: node for node_id, node in graph.items() if node_id not in node_ids}


def test_marked_inputs_are_filled_in_and_nothing_else() -> None:
    sent = read(workflow()).filled(FILLING)
    assert sent["2"]["inputs"] == {"image": "a.jpg [temp]"}
    assert sent["3"]["inputs"]["text"] == "noir"
    assert sent["4"]["inputs"]["text"] == "haze"
    assert sent["6"]["inputs"]["seed"] == 7
    assert sent["9"]["inputs"] == {"image": "style.png"}
    for node_id in ("1", "5", "7", "10"):
        assert sent[node_id]["inputs"] == workflow()[node_id]["inputs"]


def test_filling_in_changes_nothing_of_the_workflow_that_is_kept() -> None:
    kept = read(workflow())
    before = json.dumps(kept.filled(FILLING))
    kept.filled(Filling(photo="b", prompt="other", seed=9))
    assert json.dumps(kept.filled(FILLING)) == before
    assert kept.filled(Filling(photo="b", seed=9))["3"]["inputs"]["text"] == "an oil painting"


def test_the_picture_goes_to_a_preview_and_nothing_is_saved() -> None:
    graph = workflow() | {"11": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}}
    sent = read(graph).filled(FILLING)
    assert sent["8"] == {"class_type": "PreviewImage", "inputs": {"images": ["10", 0]}}
    assert "11" not in sent


def test_a_mark_on_a_node_in_the_middle_takes_its_picture() -> None:
    graph = renamed(renamed(workflow(), "8", "Save"), "7", "pc:output")
    found = read(graph)
    sent = found.filled(FILLING)
    assert sent[found.output] == {"class_type": "PreviewImage", "inputs": {"images": ["7", 0]}}
    assert "10" not in sent
    assert found.template_roles == ()


def test_what_has_one_choice_needs_no_mark() -> None:
    found = read(workflow(titles=False, style=False))
    assert found.marks.photo == (Place("2", "image"),)
    assert found.marks.seed == (Place("6", "seed"),)
    assert found.output == "8"


def test_the_saved_picture_is_the_output_where_there_are_previews_beside_it() -> None:
    graph = workflow(titles=False, style=False)
    graph["11"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}
    assert read(graph).output == "8"


def test_the_only_encoder_of_a_text_takes_the_prompt() -> None:
    graph = workflow(titles=False, style=False)
    graph["6"]["inputs"]["negative"] = ["3", 0]
    assert read(without(graph, "4")).marks.prompt == (Place("3", "text"),)


def test_all_seeds_are_fresh_where_none_is_marked() -> None:
    graph = workflow(style=False)
    graph["6"]["_meta"]["title"] = "KSampler"
    graph["12"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": 5}}
    graph["6"]["inputs"]["noise"] = ["12", 0]
    assert set(read(graph).marks.seed) == {Place("6", "seed"), Place("12", "noise_seed")}


def test_nodes_can_be_named_by_number() -> None:
    found = read(workflow(titles=False), "photo=2, prompt = 3.text,seed=6,output=8,template:style=9")
    assert found.marks.prompt == (Place("3", "text"),)
    assert found.template_roles == ("style",)


def test_a_number_counts_more_than_a_title() -> None:
    assert read(workflow(), "prompt=4").marks.prompt == (Place("4", "text"),)


def test_the_body_of_a_request_is_taken_as_the_workflow_in_it() -> None:
    assert read({"client_id": "c", "prompt": workflow()}).nodes == read(workflow()).nodes


def test_the_format_of_the_editor_is_refused_with_the_way_to_the_right_one() -> None:
    saved = {"last_node_id": 9, "nodes": [{"id": 1, "type": "LoadImage"}], "links": [[1, 4, 0, 3, 0, "MODEL"]]}
    assert errors(saved) == [("workflow", "workflow_ui_format", {})]
    with pytest.raises(InvalidSettings, match=r"Export \(API\)"):
        read(saved)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        "7",
        '{"1": 5}',
        '{"1": {"inputs": {}}}',
        '{"1": {"class_type": "A"}}',
        '{"1": {"class_type": 5, "inputs": {}}}',
        '{"' + "1" * 65 + '": {"class_type": "A", "inputs": {}}}',
        "[" * 100_000,
        '{"1": {"class_type": "A", "inputs": {"a": NaN}}}',
    ],
)
def test_what_is_no_workflow_is_refused(text: str) -> None:
    assert codes(text) in (["workflow_format"], ["empty"])


def test_workflows_are_bounded() -> None:
    node = {"class_type": "A", "inputs": {}}
    assert codes({str(number): node for number in range(MAX_NODES + 1)}) == ["workflow_format"]
    assert codes("x" * (MAX_WORKFLOW_CHARS + 1)) == ["too_long"]
    with pytest.raises(InvalidSettings):
        parse_graph(" " * (MAX_WORKFLOW_CHARS + 1))


def test_the_longest_chain_is_read_without_recursion() -> None:
    chain = {str(n): {"class_type": "A", "inputs": {"a": [str(n + 1), 0]}} for n in range(MAX_NODES - 1)}
    chain[str(MAX_NODES - 1)] = {"class_type": "LoadImage", "inputs": {"image": "x"}}
    assert len(read(chain, "output=0").nodes) == MAX_NODES


BROKEN = workflow(n7={"samples": ["66", 0]})
LOOP = workflow(n5={"pixels": ["10", 0]})
TWO_LOADERS = workflow(titles=False)
TWO_OUTPUTS = workflow() | {"11": workflow()["8"]}


@pytest.mark.parametrize(
    ("graph", "nodes", "field", "code", "params"),
    [
        (BROKEN, "", "workflow", "workflow_link_broken", {"node": "7", "target": "66"}),
        (TWO_LOADERS, "", "workflow", "workflow_mark_ambiguous", {"mark": "pc:photo", "allowed": ["2", "9"]}),
        (TWO_OUTPUTS, "", "workflow", "workflow_mark_ambiguous", {"mark": "pc:output", "allowed": ["8", "11"]}),
        (workflow(n2={"image": ["7", 0]}), "", "workflow", "workflow_cycle", {"node": "2"}),
        (
            renamed(workflow(), "1", "pc:photo"),
            "",
            "workflow",
            "workflow_mark_unfit",
            {"node": "1", "mark": "pc:photo"},
        ),
        (workflow(), "seed=3", "workflow", "workflow_mark_unfit", {"node": "3", "mark": "pc:seed"}),
        (workflow(), "prompt=3.txt", "workflow", "workflow_mark_unfit", {"node": "3", "mark": "pc:prompt"}),
        (workflow(), "photo=77", "nodes", "node_unknown", {"node": "77"}),
        (workflow(), "output=2", "workflow", "ok", {}),
    ],
)
def test_what_is_wrong_with_a_workflow_is_said(
    graph: Any, nodes: str, field: str, code: str, params: dict[str, Any]
) -> None:
    if code == "ok":
        assert read(graph, nodes).source == ("2", 0)
    else:
        assert errors(graph, nodes) == [(field, code, params)]


def test_a_loop_is_refused() -> None:
    assert codes(LOOP) == ["workflow_cycle"]


def test_a_mark_that_does_not_exist_is_named_with_those_that_do() -> None:
    ((_, code, params),) = errors(renamed(workflow(), "2", "pc:foto"))
    assert (code, params["node"], params["mark"]) == ("workflow_mark_unknown", "2", "pc:foto")
    assert "pc:photo" in params["allowed"]
    assert "pc:template:style" in params["allowed"]


@pytest.mark.parametrize("mapping", ["photo", "photo=", "foto=2", "photo:2", "photo=2.", "template:hat=2", "=2"])
def test_a_mapping_of_another_form_is_refused(mapping: str) -> None:
    ((field, code, _),) = errors(workflow(), mapping)
    assert (field, code) == ("nodes", "node_mapping_format")


def test_a_photo_that_the_picture_does_not_depend_on_is_refused() -> None:
    graph = workflow(n5={"pixels": ["9", 0]})
    assert errors(graph) == [("workflow", "workflow_photo_unused", {"node": "2", "target": "8"})]


def test_texts_need_a_place_in_the_workflow() -> None:
    graph = workflow(titles=False, style=False)
    assert errors(graph, prompt="noir", negative_prompt="haze") == [
        ("prompt", "workflow_mark_missing", {"mark": "pc:prompt"}),
        ("negative_prompt", "workflow_mark_missing", {"mark": "pc:negative"}),
    ]


@pytest.mark.parametrize("header", ["Host", "Origin", "content-length"])
def test_the_header_of_the_key_is_none_that_the_connection_needs(header: str) -> None:
    assert codes(workflow(), auth="header", key_header=header) == ["header_reserved"]
    assert codes(workflow(), auth="header", key_header="X-Key\n") == ["header_name_format"]


def test_a_picture_costs_what_the_operator_says() -> None:
    given = {"workflow": json.dumps(workflow())}
    assert read_settings(given)[0].cost() == FREE
    assert read_settings({**given, "price_usd": 0.012})[0].cost() == CallCost(usd_micros=12_000)
