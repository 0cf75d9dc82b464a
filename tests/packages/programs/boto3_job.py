"""Clients and resources with their data files, and a signed request that is never sent."""

import boto3
import botocore.stub
from botocore.config import Config

session = boto3.Session("AKIDEXAMPLE", "not-a-secret", region_name="eu-central-1")
client = session.client("s3", config=Config(signature_version="s3v4"))
with botocore.stub.Stubber(client) as stub:
    stub.add_response("list_buckets", {"Buckets": [{"Name": "one"}, {"Name": "two"}]})
    print([bucket["Name"] for bucket in client.list_buckets()["Buckets"]])
url = client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})
print(url.split("?")[0], "X-Amz-Signature" in url)
print(session.resource("dynamodb").Table("t").name, len(session.get_available_services()) > 100)
