"""Tables, sessions, relations and a query plan on sqlite."""

from sqlalchemy import ForeignKey, String, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    books: Mapped[list["Book"]] = relationship(
        back_populates="author", cascade="all, delete-orphan"
    )


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


engine = create_engine("sqlite:///books.db")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Author(name="A", books=[Book(title=f"t{n}") for n in range(5)]))
    session.commit()
    print(
        session.execute(
            select(Author.name, func.count(Book.id)).join(Book).group_by(Author.name)
        ).all()
    )
    print(str(select(Author).join(Author.books).where(Book.title.like("t%"))))
    session.delete(session.scalars(select(Author)).one())
    session.commit()
    print(session.scalar(select(func.count(Book.id))))
engine.dispose()
