"""Paths, centrality and a file of a graph."""

import networkx as nx

graph = nx.path_graph(6)
graph.add_edge(0, 5, weight=3)
print(nx.shortest_path(graph, 0, 4), sorted(nx.degree_centrality(graph).items()))
print(nx.is_connected(graph), nx.minimum_spanning_tree(graph).number_of_edges())
print(list(nx.community.greedy_modularity_communities(graph)))
nx.write_graphml(graph, "graph.xml")
print(nx.read_graphml("graph.xml").number_of_edges())
