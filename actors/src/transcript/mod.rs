//! Segments to artifacts: text, SubRip, WebVTT, JSON. Pure.
