"""A property that holds, and one whose smallest counterexample is found."""

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st


@settings(database=None, derandomize=True, max_examples=50, phases=[Phase.generate])
@given(st.lists(st.integers()), st.text())
def reverses(numbers, text):
    assert list(reversed(list(reversed(numbers)))) == numbers
    assert text[::-1][::-1] == text


reverses()
print(find(st.integers(), lambda n: n > 1000, settings=settings(database=None)))
print(st.dictionaries(st.text(), st.builds(complex)))
