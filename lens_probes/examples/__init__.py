"""Examples: target words found in texts, cut to windows of tokens, drawn, labelled and checked."""
