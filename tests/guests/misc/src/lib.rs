//! A guest with a route for each way to behave that the tests want to see.

mod broken;
mod messages;
mod talk;

dunlin::app![
    messages::get_method,
    messages::post_method,
    messages::put_method,
    messages::patch_method,
    messages::delete_method,
    messages::options_method,
    messages::head_only,
    messages::headers,
    messages::target,
    messages::var,
    messages::status,
    messages::count,
    messages::give,
    messages::first_then_rest,
    broken::panics,
    broken::panics_after_the_head,
    broken::panics_in_fn,
    broken::fills_memory,
    broken::allocates,
    broken::never_answers,
    broken::never_ends,
    broken::fails_midway,
    broken::computes_for_ever,
    broken::computes_for_ever_in_fn,
    broken::computes_for_a_while,
    broken::bad_header,
    broken::bad_status,
    talk::sleeps,
    talk::goes_on_afterwards,
    talk::prints,
    talk::prints_a_long_line,
    talk::prints_around_a_fetch,
    talk::fetches,
    talk::posts,
    talk::calls_itself,
];
