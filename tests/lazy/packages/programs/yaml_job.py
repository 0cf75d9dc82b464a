"""Documents are written and read, with a tag of our own."""

import yaml


class Point(yaml.YAMLObject):
    yaml_tag = "!point"
    yaml_loader = yaml.SafeLoader

    def __init__(self, x):
        self.x = x


text = yaml.safe_dump({"a": [1, 2.5, None, True], "b": {"c": "d\ne"}}, sort_keys=True)
print(text, yaml.safe_load(text), yaml.safe_load("!point {x: 3}").x)
try:
    yaml.safe_load("a: [")
except yaml.YAMLError as error:
    print(error)
