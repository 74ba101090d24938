//! HTML forms, and files that are uploaded.

use dunlin::prelude::*;

#[model]
struct Login {
    username: String,
    #[field(min_length = 8)]
    password: String,
}

#[post("/login")]
async fn login(Form(login): Form<Login>) -> String {
    format!(
        "{}, with {} characters",
        login.username,
        login.password.len()
    )
}

#[model]
struct Order {
    note: String,
    list: UploadFile,
    photo: Option<UploadFile>,
}

#[post("/order")]
async fn order(MultipartForm(order): MultipartForm<Order>) -> String {
    format!(
        "{} ({}): {} bytes",
        order.list.file_name(),
        order.note,
        order.list.bytes().len()
    )
}

#[post("/upload")]
async fn upload(mut form: Multipart) -> Result<String, HttpError> {
    let mut note = String::new();
    let mut bytes = 0;
    while let Some(mut field) = form.next_field().await? {
        if field.name() == "note" {
            note = field.text().await?;
            continue;
        }
        while let Some(piece) = field.chunk().await? {
            bytes += piece.len();
        }
    }
    Ok(format!("{bytes} bytes, {note}"))
}

dunlin::app![login, order, upload];
