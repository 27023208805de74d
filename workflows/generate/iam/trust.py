"""Who may take a role, and what every bucket and the key refuse whoever asks."""

from __future__ import annotations

from typing import Any

from workflows.generate.iam.account import Account
from workflows.generate.iam.roles import Identity
from workflows.generate.iam.statements import Policy, policy


def role_name(account: Account, role: str) -> str:
    """Name of a role: the cluster's, and what it is for."""
    return f"{account.cluster}-{role}"


def role_arn(account: Account, role: str) -> str:
    """ARN of a role."""
    return account.arn("iam", f"role/{role_name(account, role)}")


def trust(account: Account, item: Identity) -> Policy:
    """The trust policy: this cluster, this ServiceAccount, nobody else.

    Sources: EKS User Guide, "Create IAM role with trust policy required by EKS Pod Identity" and
    "Assign IAM roles to Kubernetes service accounts".
    """
    if provider := account.aws.oidc_provider:
        return policy(
            [
                {
                    "Sid": "OneServiceAccount",
                    "Effect": "Allow",
                    "Principal": {"Federated": account.arn("iam", f"oidc-provider/{provider}")},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {
                            f"{provider}:aud": "sts.amazonaws.com",
                            f"{provider}:sub": f"system:serviceaccount:{item.namespace}:{item.service_account}",
                        }
                    },
                }
            ]
        )
    return policy(
        [
            {
                "Sid": "OneServiceAccount",
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:RequestTag/eks-cluster-arn": account.arn("eks", f"cluster/{account.cluster}"),
                        "aws:RequestTag/kubernetes-namespace": item.namespace,
                        "aws:RequestTag/kubernetes-service-account": item.service_account,
                    }
                },
            }
        ]
    )


def bucket_policy(account: Account, bucket: str) -> Policy:
    """Refusals for everybody: without TLS, with another key, from another account. Who may is in the roles' own policies."""
    own, every = account.arn("s3", bucket), account.arn("s3", f"{bucket}/*")

    def deny(sid: str, actions: str, resources: list[str], condition: dict[str, Any]) -> dict[str, Any]:
        return {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resources, "Condition": condition}

    header = "s3:x-amz-server-side-encryption"
    key = f"{header}-aws-kms-key-id"
    return policy(
        [
            deny("OnlyTls", "s3:*", [own, every], {"Bool": {"aws:SecureTransport": "false"}}),
            # Who names no encryption gets the bucket's own, which is the key.
            deny("OnlyKms", "s3:PutObject", [every], {"StringNotEquals": {header: "aws:kms"}, "Null": {header: "false"}}),
            deny("OnlyOurKey", "s3:PutObject", [every], {"ArnNotEquals": {key: account.key}, "Null": {key: "false"}}),
            deny(
                "OnlyOurAccount",
                "s3:*",
                [own, every],
                {"StringNotEquals": {"aws:PrincipalAccount": account.aws.account}, "Bool": {"aws:PrincipalIsAWSService": "false"}},
            ),
        ]
    )


def encryption(account: Account) -> dict[str, Any]:
    """For `aws s3api put-bucket-encryption`; a bucket key saves a call to KMS for every object."""
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": account.key}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
