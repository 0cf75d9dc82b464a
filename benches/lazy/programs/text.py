"""Templates and words: str, re and Counter."""

import collections
import re
import string

TEMPLATE = string.Template("$who said: the $adjective fox is $adverb $adjective.\n")


def main():
    text = "".join(
        TEMPLATE.substitute(who=f"w{i % 13}", adjective="quick", adverb="very") for i in range(9000)
    )
    words = collections.Counter(word.lower() for word in re.findall(r"\w+", text))
    assert words["quick"] == 18000
    assert len(re.sub(r"(\w+) said", r"\1 says", text)) == len(text)
    for _ in range(3):
        words = collections.Counter(word.lower() for word in re.findall(r"\w+", text))
