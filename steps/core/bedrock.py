"""Tags of an Amazon Bedrock agent.

Only tags: an agent of Bedrock calls models of Bedrock, so nothing here routes to a model that runs in the
cluster, and changing the agent itself would need its role and its model. The tags tell whoever looks at an
agent that fronts ours which version is live behind it.

Source: Amazon Bedrock Agents API, ListTagsForResource and TagResource.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steps.contract.errors import AccessError, ConfigError, TransientError


def set_tags(arn: str, tags: Mapping[str, str], client: Any = None) -> bool:
    """Give the agent these tags; others stay. Returns whether anything changed.

    Args:
        arn: of the agent.
        tags: key -> value.
        client: of the service; None: by the AWS credential chain, in the ARN's region.

    Raises:
        ConfigError: boto3 is not installed.
        AccessError: the account may not, or the agent does not exist.
        TransientError: the service does not answer.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise ConfigError("boto3 is not installed: install it, or empty release.bedrock_agent_arn") from None
    try:
        api = client or boto3.client("bedrock-agent", region_name=arn.split(":")[3])
        found = api.list_tags_for_resource(resourceArn=arn).get("tags", {})
        changed = {key: value for key, value in tags.items() if found.get(key) != value}
        if changed:
            api.tag_resource(resourceArn=arn, tags=changed)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ("AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException", "ExpiredTokenException"):
            may = "allow bedrock:ListTagsForResource and bedrock:TagResource on it"
            raise AccessError(f"{arn}: {code}: {may}, or correct release.bedrock_agent_arn") from error
        raise TransientError(f"{arn}: the Bedrock API answers {code}: run the same command again") from error
    except BotoCoreError as error:
        raise TransientError(f"{arn}: the Bedrock API cannot be used ({type(error).__name__}): check credentials and network") from error
    return bool(changed)
