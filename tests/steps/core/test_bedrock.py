"""Tags of a Bedrock agent, against the service's own model of its API."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from steps.contract.errors import AccessError, TransientError
from steps.core.bedrock import set_tags

ARN = "arn:aws:bedrock:eu-west-1:123456789012:agent/ABCDEF1234"


@pytest.fixture
def service():
    client = boto3.client("bedrock-agent", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def test_only_what_differs_is_written(service):
    client, stubber = service
    stubber.add_response("list_tags_for_resource", {"tags": {"ctp:model-version": "1", "team": "x"}}, {"resourceArn": ARN})
    stubber.add_response("tag_resource", {}, {"resourceArn": ARN, "tags": {"ctp:model-version": "2"}})
    assert set_tags(ARN, {"ctp:model-version": "2"}, client)
    stubber.add_response("list_tags_for_resource", {"tags": {"ctp:model-version": "2"}}, {"resourceArn": ARN})
    assert not set_tags(ARN, {"ctp:model-version": "2"}, client)


@pytest.mark.parametrize(("code", "error"), [("AccessDeniedException", AccessError), ("ThrottlingException", TransientError)])
def test_refusals_are_typed(service, code, error):
    client, stubber = service
    stubber.add_client_error("list_tags_for_resource", code)
    with pytest.raises(error, match=code):
        set_tags(ARN, {}, client)


def test_no_network_is_transient():
    client = boto3.client("bedrock-agent", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")

    def offline(**_):
        raise EndpointConnectionError(endpoint_url="https://bedrock")

    client.meta.events.register("before-send.bedrock-agent", offline)
    with pytest.raises(TransientError, match="EndpointConnectionError"):
        set_tags(ARN, {}, client)
