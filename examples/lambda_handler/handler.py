"""A function for AWS Lambda."""

import decimal
import json
import os

import boto3


def handle(event, context):
    """Adds up what is ordered."""
    total = sum(decimal.Decimal(str(item["price"])) * item["count"] for item in event["items"])
    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION", "eu-central-1"))
    return {
        "statusCode": 200,
        "body": json.dumps({"total": str(total), "region": session.region_name}),
    }
