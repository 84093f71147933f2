"""What docker-registry 2.8 fails at, so that no test is held to be right that only ours passes.

By the name of a test, with a pattern of its parameters where not all of them fail: why.
"""

from __future__ import annotations

__all__ = ["DEBIAN_FAILS"]

_REFERRERS = "it has no referrers API: distribution-spec 1.1 is newer"
_RANGES = "a 416 has a body that is shorter than its Content-Length"
_CHUNKS = "it does not look at the Content-Range of a chunk"
_DIGESTS = "a malformed digest in the path of a manifest is a 500"
_PAGES = "its tags have no pages and no order"
DEBIAN_FAILS: dict[str, str] = {
    "test_tags_are_sorted": _PAGES,
    "test_no_tag_at_all_can_be_asked_for": _PAGES,
    "test_a_list_goes_on_after_the_last": _PAGES,
    "test_what_nobody_refers_to_has_an_empty_index": _REFERRERS,
    "test_referrers_of_a_malformed_digest_are_400": _REFERRERS,
    "test_referrers_have_all_that_a_descriptor_needs": _REFERRERS,
    "test_referrers_can_be_filtered": _REFERRERS,
    "test_the_filter_is_applied": _REFERRERS,
    "test_referrers_go_with_their_deletion": _REFERRERS,
    "test_referrers_stay_after_the_deletion_of_their_subject": _REFERRERS,
    "test_referrers_of_another_repository_are_its_own": _REFERRERS,
    "test_referrers_of_a_fallback_tag_are_included": _REFERRERS,
    "test_many_referrers_come_in_pages_or_at_once": _REFERRERS,
    "test_a_subject_that_nobody_has_is_taken": _REFERRERS,
    "test_the_catalog_has_pages": "names that begin others are out of order (distribution#4904)",
    "test_illegal_names_are_refused[a/]": "paths are cleaned with a 301",
    "test_illegal_names_are_refused[a//b]": "paths are cleaned with a 301",
    "test_illegal_names_are_refused[name11]": "a name of 256 is a 500",
    "test_illegal_tags_are_refused[a:b]": _DIGESTS,
    "test_a_tag_goes_alone": "tags cannot be deleted",
    "test_deleted_twice_is_404": "tags cannot be deleted",
    "test_what_is_unknown_cannot_be_deleted[manifests/none]": "tags cannot be deleted",
    "test_a_head_has_no_range": "a HEAD with a Range is a 206",
    "test_ranges[2000-1*]": _RANGES,
    "test_ranges_past_the_end_and_backwards_are_416": _RANGES,
    "test_ranges_without_sense_are_ignored_or_refused[bytes=a*]": _RANGES,
    "test_ranges_without_sense_are_ignored_or_refused[bytes=1*]": _RANGES,
    "test_ranges_without_sense_are_ignored_or_refused[bytes=-*]": _RANGES,
    "test_ranges_without_sense_are_ignored_or_refused[1-2]": _RANGES,
    "test_ranges_without_sense_are_ignored_or_refused[lines*]": _RANGES,
    "test_whatever_is_accepted_the_stored_type_comes": "OCI types come only when they are accepted",
    "test_what_a_client_has_is_not_sent_again": "a manifest's If-None-Match may have one value only",
    "test_malformed_digests_are_refused[manifests-sha256:short]": _DIGESTS,
    "test_malformed_digests_are_refused[manifests-sha256:AAA*]": _DIGESTS,
    "test_malformed_digests_are_refused[manifests-md5*]": _DIGESTS,
    "test_malformed_digests_are_refused[manifests-x*]": _DIGESTS,
    "test_a_malformed_digest_is_refused": _DIGESTS,
    "test_a_first_chunk_that_is_not_the_first_is_refused": _CHUNKS,
    "test_a_range_that_lies_about_its_chunk_is_refused": _CHUNKS,
    "test_chunks_out_of_order_are_refused": _CHUNKS,
    "test_other_algorithms_are_right_or_refused": "a sha512 blob has the digest of its sha256",
    "test_an_announced_algorithm_that_is_unknown_is_refused": "it knows no digest-algorithm",
    "test_layers_that_lie_elsewhere_are_not_asked_for": "a layer with URLs that are not allowed is a 500",
    "test_more_than_the_limit_is_413": "it is a 400",
    "test_a_manifest_gets_tags_with_its_digest": "it knows no tag parameter",
    "test_tags_that_are_none_are_not_given": "it knows no tag parameter",
    "test_a_manifest_may_have_another_algorithm": "manifests are sha256",
    "test_all_of_an_image_may_have_another_algorithm": "manifests are sha256",
}
