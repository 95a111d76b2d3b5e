#include "gateway/s3/error.h"

#include "base/assert.h"
#include "codec/xml.h"
#include "gateway/s3/text.h"

struct code_row {
    const char *name;
    int status;
    const char *message;
};

static const struct code_row rows[S3_CODE_COUNT] = {[S3_OK] = {"OK", 200, ""},
#define ERROR_ROW(name, code, status, message) [S3_ERR_##name] = {code, status, message},
                                                    S3_ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
};

static const struct code_row *row_of(enum s3_code code)
{
    assert_that((unsigned)code < S3_CODE_COUNT);
    return &rows[code];
}

const char *s3_code_name(enum s3_code code) { return row_of(code)->name; }

int s3_code_status(enum s3_code code) { return row_of(code)->status; }

const char *s3_code_message(enum s3_code code) { return row_of(code)->message; }

enum s3_code s3_code_of_fault(err fault)
{
    switch ((enum err_code)fault.code) {
    case ERR_OK:
        return S3_OK;
    case ERR_CLOSED:
    case ERR_MALFORMED:
        return S3_ERR_INCOMPLETE_BODY;
    case ERR_TIMEOUT:
        return S3_ERR_REQUEST_TIMEOUT;
    case ERR_BUSY:
    case ERR_LIMIT:
        return S3_ERR_SLOW_DOWN;
    case ERR_NO_SPACE:
        return S3_ERR_INSUFFICIENT_STORAGE;
    case ERR_NETWORK:
    case ERR_CANCELLED:
        return S3_ERR_SERVICE_UNAVAILABLE;
    case ERR_CONFLICT:
        return S3_ERR_OPERATION_ABORTED;
    case ERR_REFUSED:
        return S3_ERR_ACCESS_DENIED;
    case ERR_FAILED:
    case ERR_USAGE:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_INTEGRITY:
    case ERR_IO:
        return S3_ERR_INTERNAL;
    }
    return S3_ERR_INTERNAL;
}

void s3_error_init(struct s3_error *error, struct arena *arena)
{
    memset(error, 0, sizeof *error);
    error->arena = arena;
}

enum s3_code s3_refuse(struct s3_error *error, enum s3_code code)
{
    error->code = code;
    error->message = NULL;
    error->field_count = 0;
    return code;
}

enum s3_code s3_refuse_message(struct s3_error *error, enum s3_code code, const char *message)
{
    s3_refuse(error, code);
    error->message = message;
    return code;
}

enum s3_code s3_refuse_argument(struct s3_error *error, const char *message, const char *name,
                                bytes value)
{
    s3_refuse_message(error, S3_ERR_INVALID_ARGUMENT, message);
    s3_error_add_str(error, "ArgumentName", name);
    s3_error_add(error, "ArgumentValue", value);
    return S3_ERR_INVALID_ARGUMENT;
}

void s3_error_add(struct s3_error *error, const char *name, bytes value)
{
    assert_that(error->field_count < S3_ERROR_FIELDS_MAX);
    if (value.len > S3_ERROR_FIELD_BYTES_MAX) {
        return;
    }
    bytes copy = arena_copy(error->arena, value);
    if (copy.data == NULL) {
        return;
    }
    error->fields[error->field_count++] = (struct s3_error_field){name, copy};
}

void s3_error_add_str(struct s3_error *error, const char *name, const char *value)
{
    s3_error_add(error, name, bytes_str(value));
}

void s3_error_add_u64(struct s3_error *error, const char *name, u64 value)
{
    char text[S3_DECIMAL_BYTES];
    s3_write_decimal(text, value);
    s3_error_add_str(error, name, text);
}

bytes s3_error_find(const struct s3_error *error, const char *name)
{
    for (size_t i = 0; i < error->field_count; i++) {
        if (strcmp(error->fields[i].name, name) == 0) {
            return error->fields[i].value;
        }
    }
    return (bytes){NULL, 0};
}

const char *s3_error_message(const struct s3_error *error)
{
    return error->message != NULL ? error->message : s3_code_message(error->code);
}

void s3_error_write(struct buf *out, const struct s3_error *error, bytes resource, bytes request_id,
                    bytes host_id)
{
    xml_put_declaration(out);
    xml_open(out, "Error");
    xml_element(out, "Code", bytes_str(s3_code_name(error->code)));
    xml_element(out, "Message", bytes_str(s3_error_message(error)));
    for (size_t i = 0; i < error->field_count; i++) {
        xml_element(out, error->fields[i].name, error->fields[i].value);
    }
    xml_element(out, "Resource", resource);
    xml_element(out, "RequestId", request_id);
    xml_element(out, "HostId", host_id);
    xml_close(out, "Error");
}
